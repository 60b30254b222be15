// Decimal numbers of any size: what sums and products of floats are where 0.1 + 0.2 has to be 0.3.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace skald {

// (-1)^negative * digits * 10^exponent. A value type.
class ExactDecimal {
 public:
  ExactDecimal() = default;  // 0
  // The shortest decimal that reads back as value, which must be finite.
  explicit ExactDecimal(double value);

  ExactDecimal operator+(const ExactDecimal& other) const;
  ExactDecimal operator-(const ExactDecimal& other) const;
  ExactDecimal operator*(const ExactDecimal& other) const;
  // To 16 decimals, halves away from zero. divisor must not be zero.
  ExactDecimal DividedBy(const ExactDecimal& divisor) const;

  bool is_zero() const { return digits_.empty(); }
  double ToDouble() const;

 private:
  using Digits = std::vector<uint8_t>;  // from the lowest; no leading zeros, 0 is empty

  static void Trim(Digits* digits);
  static int Compare(const Digits& a, const Digits& b);
  static void AddTo(Digits* a, const Digits& b);
  static void SubtractFrom(Digits* a, const Digits& b);  // a >= b
  Digits Scaled(int exponent) const;                     // exponent <= exponent_

  bool negative_ = false;
  Digits digits_;
  int exponent_ = 0;
};

}  // namespace skald
