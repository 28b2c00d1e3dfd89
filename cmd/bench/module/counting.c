// A PKCS#11 module for the benchmark. It passes every call on to the module
// BENCH_MODULE and counts it in the file BENCH_COUNTS, eight bytes for each
// function, which whoever measures may read at any time. Where these are set:
//
//	BENCH_SIGN_MICROSECONDS   C_Sign takes at least so long, as a device does
//	BENCH_SESSIONS            the token allows so many sessions, and says so
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

typedef unsigned long word;
typedef word (*function)(word, word, word, word, word, word, word, word);
struct list { unsigned char version[2]; function f[68]; };

enum { GetFunctionList = 3, GetTokenInfo = 6, OpenSession = 12, CloseSession = 13, CloseAllSessions = 14, Sign = 43, Functions = 68 };
static const word CKR_SESSION_COUNT = 0xB1;

static struct list ours, *real;
static atomic_ulong *counts;
static atomic_int sessions;
static int allowed;
static long least; // nanoseconds of a C_Sign

static long now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000L + t.tv_nsec;
}

static void wait_until(long end) {
	struct timespec t = {end / 1000000000L, end % 1000000000L};
	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0)
		;
}

static word pass(int i, word a, word b, word c, word d, word e, word f, word g, word h) {
	atomic_fetch_add(&counts[i], 1);
	// A question for the length alone costs a device nothing.
	long start = i == Sign && d != 0 && least > 0 ? now() : 0;
	if (i == OpenSession && allowed > 0 && atomic_fetch_add(&sessions, 1) >= allowed) {
		atomic_fetch_sub(&sessions, 1);
		return CKR_SESSION_COUNT;
	}
	word rv = real->f[i](a, b, c, d, e, f, g, h);
	if (i == OpenSession && allowed > 0 && rv != 0 || i == CloseSession && rv == 0)
		atomic_fetch_sub(&sessions, 1);
	if (i == CloseAllSessions && rv == 0)
		atomic_store(&sessions, 0);
	if (i == GetTokenInfo && allowed > 0 && rv == 0) {
		word *max = (word *)(b + 96) + 1; // CK_TOKEN_INFO: ulMaxSessionCount, ulMaxRwSessionCount
		max[0] = max[2] = allowed;
	}
	if (start > 0)
		wait_until(start + least);
	return rv;
}

#define ONE(i) static word f##i(word a, word b, word c, word d, word e, word f, word g, word h) { return pass(i, a, b, c, d, e, f, g, h); }
#define TEN(i) ONE(i##0) ONE(i##1) ONE(i##2) ONE(i##3) ONE(i##4) ONE(i##5) ONE(i##6) ONE(i##7) ONE(i##8) ONE(i##9)
ONE(0) ONE(1) ONE(2) ONE(4) ONE(5) ONE(6) ONE(7) ONE(8) ONE(9)
TEN(1) TEN(2) TEN(3) TEN(4) TEN(5) ONE(60) ONE(61) ONE(62) ONE(63) ONE(64) ONE(65) ONE(66) ONE(67)

static function const every[Functions] = {
	f0, f1, f2, NULL, f4, f5, f6, f7, f8, f9,
	f10, f11, f12, f13, f14, f15, f16, f17, f18, f19, f20, f21, f22, f23, f24, f25, f26, f27, f28, f29,
	f30, f31, f32, f33, f34, f35, f36, f37, f38, f39, f40, f41, f42, f43, f44, f45, f46, f47, f48, f49,
	f50, f51, f52, f53, f54, f55, f56, f57, f58, f59, f60, f61, f62, f63, f64, f65, f66, f67,
};

word C_GetFunctionList(struct list **out) {
	word (*get)(struct list **);
	const char *v;
	if (real == NULL) {
		void *handle = dlopen((v = getenv("BENCH_MODULE")) != NULL ? v : "", RTLD_NOW | RTLD_LOCAL);
		int fd = open((v = getenv("BENCH_COUNTS")) != NULL ? v : "", O_RDWR);
		if (handle == NULL || fd < 0) {
			fprintf(stderr, "counting module: BENCH_MODULE or BENCH_COUNTS cannot be opened\n");
			return 5; // CKR_GENERAL_ERROR
		}
		counts = mmap(NULL, Functions * sizeof *counts, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		close(fd);
		*(void **)(&get) = dlsym(handle, "C_GetFunctionList");
		if (counts == MAP_FAILED || get == NULL || get(&real) != 0) {
			real = NULL;
			return 5;
		}
		allowed = (v = getenv("BENCH_SESSIONS")) != NULL ? atoi(v) : 0;
		least = (v = getenv("BENCH_SIGN_MICROSECONDS")) != NULL ? atol(v) * 1000 : 0;
		ours = *real;
		for (int i = 0; i < Functions; i++)
			if (i != GetFunctionList)
				ours.f[i] = every[i];
		ours.f[GetFunctionList] = (function)C_GetFunctionList;
	}
	*out = &ours;
	return 0;
}
