#include "text/exact_decimal.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdlib>

namespace skald {

ExactDecimal::ExactDecimal(double value) : negative_(value < 0) {
  char text[40];
  char* end = std::to_chars(text, text + sizeof(text), std::abs(value), std::chars_format::scientific).ptr;
  *end = 0;
  int decimals = 0;
  bool after_dot = false;
  const char* p = text;
  for (; *p != 0 && *p != 'e'; ++p) {
    if (*p == '.') {
      after_dot = true;
      continue;
    }
    digits_.push_back(static_cast<uint8_t>(*p - '0'));
    decimals += after_dot ? 1 : 0;
  }
  std::reverse(digits_.begin(), digits_.end());
  exponent_ = std::atoi(p + 1) - decimals;
  Trim(&digits_);
}

void ExactDecimal::Trim(Digits* digits) {
  while (!digits->empty() && digits->back() == 0) digits->pop_back();
}

int ExactDecimal::Compare(const Digits& a, const Digits& b) {
  if (a.size() != b.size()) return a.size() < b.size() ? -1 : 1;
  for (size_t i = a.size(); i-- > 0;) {
    if (a[i] != b[i]) return a[i] < b[i] ? -1 : 1;
  }
  return 0;
}

void ExactDecimal::AddTo(Digits* a, const Digits& b) {
  if (a->size() < b.size()) a->resize(b.size());
  int carry = 0;
  for (size_t i = 0; i < a->size(); ++i) {
    const int sum = (*a)[i] + (i < b.size() ? b[i] : 0) + carry;
    (*a)[i] = static_cast<uint8_t>(sum % 10);
    carry = sum / 10;
  }
  if (carry > 0) a->push_back(static_cast<uint8_t>(carry));
}

void ExactDecimal::SubtractFrom(Digits* a, const Digits& b) {
  int borrow = 0;
  for (size_t i = 0; i < a->size(); ++i) {
    int left = (*a)[i] - (i < b.size() ? b[i] : 0) - borrow;
    borrow = left < 0 ? 1 : 0;
    if (left < 0) left += 10;
    (*a)[i] = static_cast<uint8_t>(left);
  }
  Trim(a);
}

ExactDecimal::Digits ExactDecimal::Scaled(int exponent) const {
  Digits out = digits_;
  if (!out.empty()) out.insert(out.begin(), static_cast<size_t>(exponent_ - exponent), uint8_t{0});
  return out;
}

ExactDecimal ExactDecimal::operator+(const ExactDecimal& other) const {
  ExactDecimal out;
  out.exponent_ = std::min(exponent_, other.exponent_);
  Digits a = Scaled(out.exponent_);
  Digits b = other.Scaled(out.exponent_);
  out.negative_ = negative_;
  if (negative_ == other.negative_) {
    AddTo(&a, b);
  } else if (Compare(a, b) >= 0) {
    SubtractFrom(&a, b);
  } else {
    SubtractFrom(&b, a);
    a = std::move(b);
    out.negative_ = other.negative_;
  }
  out.digits_ = std::move(a);
  return out;
}

ExactDecimal ExactDecimal::operator-(const ExactDecimal& other) const {
  ExactDecimal negated = other;
  negated.negative_ = !other.negative_;
  return *this + negated;
}

ExactDecimal ExactDecimal::operator*(const ExactDecimal& other) const {
  ExactDecimal out;
  out.negative_ = negative_ != other.negative_;
  out.exponent_ = exponent_ + other.exponent_;
  std::vector<uint32_t> sums(digits_.size() + other.digits_.size());
  for (size_t i = 0; i < digits_.size(); ++i) {
    for (size_t j = 0; j < other.digits_.size(); ++j) sums[i + j] += uint32_t{digits_[i]} * other.digits_[j];
  }
  uint32_t carry = 0;
  for (const uint32_t sum : sums) {
    out.digits_.push_back(static_cast<uint8_t>((sum + carry) % 10));
    carry = (sum + carry) / 10;
  }
  Trim(&out.digits_);
  return out;
}

ExactDecimal ExactDecimal::DividedBy(const ExactDecimal& divisor) const {
  constexpr int kDecimals = 16;
  ExactDecimal out;
  out.exponent_ = -kDecimals;
  out.negative_ = negative_ != divisor.negative_;
  // quotient = digits * 10^shift / divisor.digits
  const int shift = exponent_ - divisor.exponent_ + kDecimals;
  Digits numerator = digits_;
  Digits denominator = divisor.digits_;
  if (shift >= 0) {
    numerator.insert(numerator.begin(), static_cast<size_t>(shift), uint8_t{0});
  } else {
    denominator.insert(denominator.begin(), static_cast<size_t>(-shift), uint8_t{0});
  }
  Trim(&numerator);
  Digits rest;
  out.digits_.resize(numerator.size());
  for (size_t i = numerator.size(); i-- > 0;) {
    rest.insert(rest.begin(), numerator[i]);
    Trim(&rest);
    for (; Compare(rest, denominator) >= 0; ++out.digits_[i]) SubtractFrom(&rest, denominator);
  }
  Trim(&out.digits_);
  AddTo(&rest, Digits(rest));
  if (Compare(rest, denominator) >= 0) AddTo(&out.digits_, {1});
  return out;
}

double ExactDecimal::ToDouble() const {
  if (digits_.empty()) return 0;
  std::string text = negative_ ? "-" : "";
  for (size_t i = digits_.size(); i-- > 0;) text += static_cast<char>('0' + digits_[i]);
  text += 'e' + std::to_string(exponent_);
  return std::strtod(text.c_str(), nullptr);
}

}  // namespace skald
