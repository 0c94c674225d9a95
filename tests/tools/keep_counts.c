// For coverage: the command as it ends by _exit, or becomes another program, writes down what it has counted.
// The linker puts these in the place of the C library's (--wrap).
#include <gcov.h>
#include <unistd.h>

_Noreturn void __real__exit(int code);
_Noreturn void __wrap__exit(int code);
int __real_execv(const char *path, char *const argv[]);
int __wrap_execv(const char *path, char *const argv[]);

void __wrap__exit(int code) {
    __gcov_dump();
    __real__exit(code);
}

int __wrap_execv(const char *path, char *const argv[]) {
    __gcov_dump();
    const int failed = __real_execv(path, argv);
    __gcov_reset();
    return failed;
}
