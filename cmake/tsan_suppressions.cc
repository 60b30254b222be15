// Linked into every program of a thread-sanitizer build. Debian's libraries are not instrumented: their locks are invisible, so what
// they do, and what they hand from one of their threads to another, looks like a race. Reports without one of them in a stack stand.
extern "C" const char* __tsan_default_suppressions() {
  return "race:librocksdb.so\n"
         "race:libgrpc.so\n"
         "race:libgrpc++.so\n"
         "race:libgpr.so\n"
         "race:libprotobuf.so\n"
         "race:libabsl_\n"
         "race:^grpc::internal::\n"
         "race:^std::default_delete<grpc::Server>\n"
         "mutex:libgrpc.so\n"
         "deadlock:libgrpc.so\n"
         "called_from_lib:libgrpc.so\n"
         "called_from_lib:librocksdb.so\n";
}
