// A PKCS#11 module for tests: it passes every call on to the module real.so
// beside it, writes the name of each to the file "calls" and, with a plus when
// it begins and a minus when it ends, to "trace", and does first what the file
// "control" says, one order a line:
//
//	hang C_Sign             wait in the call for as long as the line is there
//	delay C_Sign 20000      wait for that many microseconds
//	fail C_Sign 0x32        answer with the code and do not pass the call on
//	accept C_WrapKey        answer CKR_OK and do not pass the call on
//	late C_GetTokenInfo 0x5 answer with the code and do not pass the call on, once C_Login has come
//	then C_Sign 0x32        pass the call on, and answer with the code
//	refuse 0x105            C_GenerateKeyPair refuses a private key with this attribute
//	weaken                  C_GenerateKeyPair makes a private key that is all that it should not be
//	absent 0x171            C_GetAttributeValue does not know this attribute
//	reads 0x162 0           C_GetAttributeValue tells this for a boolean attribute
//	without 0x1080          C_GetMechanismList leaves this mechanism out
//	uses 0x1041 0x800       C_GetMechanismInfo tells these flags of this mechanism
//	upto 0x1040 256         C_GetMechanismInfo tells this largest key of this mechanism
//	another id              C_GenerateKeyPair gives the keys a CKA_ID of its own
//	another curve           C_GenerateKeyPair makes keys on P-384, whatever was asked for
//	any label               C_FindObjectsInit does not look at labels
//	flags 0x40000           C_GetTokenInfo adds these flags
//	noflags 0x70000         C_GetTokenInfo leaves these flags out
//	sessions 4              C_GetTokenInfo says so, and C_OpenSession holds to it
//	limit 2                 C_OpenSession holds to it, and C_GetTokenInfo does not say so
//	hardware                call the token "Example HSM"
//	serial 0000             C_GetTokenInfo tells this serial
//	no serial               C_GetTokenInfo tells none
//	own list                the first list that C_GetFunctionList gives is another module's, never initialized
//	at C_Sign 12 segv       do something hostile in the 12th call in this process: segv, abort, exit,
//	                        hang, print, fork, chdir, locale, signals, umask, environment, closeall, leave
//	tells C_Sign -1         tell this length or count with CKR_OK
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <locale.h>
#include <signal.h>
#include <sys/stat.h>
#include <pthread.h>

typedef unsigned long word;
typedef word (*function)(word, word, word, word, word, word, word, word);
struct list { unsigned char version[2]; function f[68]; };
struct attribute { word type; void *value; word length; };

#define FUNCTIONS \
	X(0,Initialize) X(1,Finalize) X(2,GetInfo) X(4,GetSlotList) X(5,GetSlotInfo) X(6,GetTokenInfo) \
	X(7,GetMechanismList) X(8,GetMechanismInfo) X(9,InitToken) X(10,InitPIN) X(11,SetPIN) X(12,OpenSession) \
	X(13,CloseSession) X(14,CloseAllSessions) X(15,GetSessionInfo) X(16,GetOperationState) X(17,SetOperationState) \
	X(18,Login) X(19,Logout) X(20,CreateObject) X(21,CopyObject) X(22,DestroyObject) X(23,GetObjectSize) \
	X(24,GetAttributeValue) X(25,SetAttributeValue) X(26,FindObjectsInit) X(27,FindObjects) X(28,FindObjectsFinal) \
	X(37,DigestInit) X(38,Digest) X(42,SignInit) X(43,Sign) X(44,SignUpdate) X(45,SignFinal) \
	X(48,VerifyInit) X(49,Verify) X(58,GenerateKey) X(59,GenerateKeyPair) X(60,WrapKey) X(61,UnwrapKey) \
	X(62,DeriveKey) X(63,SeedRandom) X(64,GenerateRandom)

static struct list ours, *real;
static char folder[4096];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static int open_sessions;
static int login_came;

// order looks for "VERB ARGUMENT REST" and returns the REST, or the ARGUMENT when name is NULL.
static int order(const char *verb, const char *name, char *rest) {
	char path[4200], line[256], v[64], a[64], r[64];
	int found = 0;
	snprintf(path, sizeof path, "%s/control", folder);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return 0;
	while (!found && fgets(line, sizeof line, f) != NULL) {
		v[0] = a[0] = r[0] = 0;
		sscanf(line, "%63s %63s %63s", v, a, r);
		if (strcmp(v, verb) == 0 && (name == NULL || strcmp(a, name) == 0)) {
			strcpy(rest, name == NULL ? a : r);
			found = 1;
		}
	}
	fclose(f);
	return found;
}

static void note(const char *file, const char *sign, const char *name) {
	char path[4200];
	snprintf(path, sizeof path, "%s/%s", folder, file);
	pthread_mutex_lock(&lock);
	FILE *f = fopen(path, "a");
	if (*sign)
		fprintf(f, "%s%s@%d\n", sign, name, (int)getpid());
	else
		fprintf(f, "%s\n", name);
	fclose(f);
	pthread_mutex_unlock(&lock);
}

static void pad(unsigned char *to, int size, const char *text) {
	memset(to, ' ', size);
	memcpy(to, text, strlen(text));
}

// ordered is the number that follows a verb, or one that nothing has.
static word ordered(const char *verb) {
	char rest[64];
	return order(verb, NULL, rest) ? strtoul(rest, NULL, 0) : ~0ul - 1;
}

// numbered looks for "VERB 0xTYPE REST".
static int numbered(const char *verb, word type, char *rest) {
	char name[32];
	snprintf(name, sizeof name, "0x%lX", type);
	return order(verb, name, rest);
}

static int refused(word type) { char rest[64]; return numbered("refuse", type, rest); }
static int told(word type, char *rest) { return numbered("reads", type, rest); }

// weak are SENSITIVE, EXTRACTABLE, MODIFIABLE and COPYABLE.
static int weak(word type) { return type == 0x103 || type == 0x162 || type == 0x170 || type == 0x171; }

// hostile does what "at NAME N WHAT" says of this call.
static void hostile(const char *name) {
	static struct { char name[32]; int n; } counts[68];
	char path[4200], line[256], v[64], a[64], what[64] = "";
	int n = 0, at, i;
	pthread_mutex_lock(&lock);
	for (i = 0; i < 67 && counts[i].n > 0 && strcmp(counts[i].name, name) != 0; i++)
		;
	snprintf(counts[i].name, sizeof counts[i].name, "%s", name);
	n = ++counts[i].n;
	pthread_mutex_unlock(&lock);
	snprintf(path, sizeof path, "%s/control", folder);
	FILE *f = fopen(path, "r");
	if (f == NULL)
		return;
	while (fgets(line, sizeof line, f) != NULL) {
		char w[64];
		if (sscanf(line, "%63s %63s %d %63s", v, a, &at, w) == 4 && strcmp(v, "at") == 0 && strcmp(a, name) == 0 && at == n)
			strcpy(what, w);
	}
	fclose(f);
#define IS(s) (strcmp(what, s) == 0)
	if (IS("segv")) *(volatile int *)8 = 1;
	if (IS("abort")) abort();
	if (IS("exit")) exit(0);
	if (IS("leave")) _exit(0);
	if (IS("hang")) for (;;) pause();
	if (IS("print")) {
		printf("{\"digest\": \"none\"}\n\033[2Jclean, from %s\n", name);
		fflush(stdout);
		fprintf(stderr, "trouble, from %s\n", name);
	}
	if (IS("fork") && fork() == 0) {
		sleep(2);
		_exit(0);
	}
	if (IS("chdir") && chdir(folder) != 0)
		abort();
	if (IS("locale")) {
		setlocale(LC_ALL, "tr_TR.UTF-8");
		setlocale(LC_ALL, "de_DE.UTF-8");
	}
	if (IS("signals"))
		for (i = 1; i < 32; i++)
			if (i != SIGKILL && i != SIGSTOP)
				signal(i, SIG_IGN);
	if (IS("umask")) umask(0);
	if (IS("environment")) clearenv();
	if (IS("closeall"))
		for (i = 0; i < 64; i++)
			close(i);
}

// lies tells another length or count than there is.
static void lies(int i, const char *name, word b, word c, word d, word e, word f) {
	char rest[64];
	word *length = NULL;
	if (!order("tells", name, rest))
		return;
	switch (i) {
	case 4: case 7: length = (word *)c; break;            // C_GetSlotList, C_GetMechanismList
	case 24: length = &((struct attribute *)c)->length; break; // C_GetAttributeValue
	case 27: length = (word *)d; break;                   // C_FindObjects
	case 43: length = (word *)e; break;                   // C_Sign
	case 60: length = (word *)f; break;                   // C_WrapKey
	}
	if (length != NULL)
		*length = strtoul(rest, NULL, 0);
}

static word answer(int i, const char *name, word a, word b, word c, word d, word e, word f, word g, word h) {
	char rest[64];
	hostile(name);
	while (order("hang", name, rest))
		usleep(2000);
	if (order("delay", name, rest))
		usleep(atoi(rest));
	if (order("fail", name, rest))
		return strtoul(rest, NULL, 0);
	if (login_came && order("late", name, rest))
		return strtoul(rest, NULL, 0);
	login_came |= i == 18;
	if (order("accept", name, rest))
		return 0;
	if (i == 59)
		for (word n = 0; n < d + f; n++) {
			struct attribute *t = n < d ? (struct attribute *)c + n : (struct attribute *)e + n - d;
			if (n >= d && refused(t->type))
				return 0xD1; // CKR_TEMPLATE_INCONSISTENT
			if (n >= d && weak(t->type) && order("weaken", NULL, rest))
				*(unsigned char *)t->value ^= 1;
			if (t->type == 0x102 && order("another", "id", rest))
				*(unsigned char *)t->value ^= 1;
			if (t->type == 0x180 && order("another", "curve", rest)) {
				memcpy(t->value, "\x06\x05\x2b\x81\x04\x00\x22", 7);
				t->length = 7;
			}
		}
	if (i == 26 && order("any", "label", rest)) {
		struct attribute *wanted = (struct attribute *)b;
		word kept = 0;
		for (word n = 0; n < c; n++)
			if (wanted[n].type != 0x3)
				wanted[kept++] = wanted[n];
		c = kept;
	}
	if (i == 24 && ((struct attribute *)c)->type == ordered("absent"))
		return 0x12; // CKR_ATTRIBUTE_TYPE_INVALID
	if (i == 12 && (order("sessions", NULL, rest) || order("limit", NULL, rest))) {
		pthread_mutex_lock(&lock);
		int full = open_sessions >= atoi(rest);
		pthread_mutex_unlock(&lock);
		if (full)
			return 0xB1; // CKR_SESSION_COUNT
	}
	word rv = real->f[i](a, b, c, d, e, f, g, h);
	lies(i, name, b, c, d, e, f);
	if (rv != 0)
		return rv;
	pthread_mutex_lock(&lock);
	open_sessions += (i == 12) - (i == 13);
	pthread_mutex_unlock(&lock);
	if (i == 6) {
		unsigned char *info = (unsigned char *)b; // CK_TOKEN_INFO
		word *flags = (word *)(info + 96), *max = flags + 1, *max_rw = flags + 3;
		if (order("flags", NULL, rest))
			*flags |= strtoul(rest, NULL, 0);
		if (order("noflags", NULL, rest))
			*flags &= ~strtoul(rest, NULL, 0);
		if (order("sessions", NULL, rest))
			*max = *max_rw = strtoul(rest, NULL, 0);
		if (order("serial", NULL, rest))
			pad(info + 80, 16, rest);
		if (order("no", "serial", rest))
			pad(info + 80, 16, "");
		if (order("hardware", NULL, rest)) {
			pad(info + 32, 32, "Example");
			pad(info + 64, 16, "Example HSM");
		}
	}
	struct attribute *read = (struct attribute *)c;
	if (i == 24 && read->value != NULL && read->length == 1 && told(read->type, rest))
		*(unsigned char *)read->value = atoi(rest);
	if (i == 7 && b != 0)
		for (word n = 0; n < *(word *)c; n++)
			if (numbered("without", ((word *)b)[n], rest))
				((word *)b)[n] = 0xFFFFFFFF;
	if (i == 8) {
		word *info = (word *)c; // CK_MECHANISM_INFO: the smallest key, the largest, flags
		if (numbered("upto", b, rest))
			info[1] = strtoul(rest, NULL, 0);
		if (numbered("uses", b, rest))
			info[2] = strtoul(rest, NULL, 0);
	}
	if (i == 2 && order("hardware", NULL, rest)) {
		unsigned char *info = (unsigned char *)a; // CK_INFO
		pad(info + 2, 32, "Example");
	}
	if (order("then", name, rest))
		return strtoul(rest, NULL, 0);
	return rv;
}

static word pass(int i, const char *name, word a, word b, word c, word d, word e, word f, word g, word h) {
	note("calls", "", name);
	note("trace", "+", name);
	word rv = answer(i, name, a, b, c, d, e, f, g, h);
	note("trace", "-", name);
	return rv;
}

#define X(i, name) static word our_##name(word a, word b, word c, word d, word e, word f, word g, word h) { \
	return pass(i, "C_" #name, a, b, c, d, e, f, g, h); }
FUNCTIONS
#undef X

static word strange(word a, word b, word c, word d, word e, word f, word g, word h) {
	return 0x190; // CKR_CRYPTOKI_NOT_INITIALIZED
}

word C_GetFunctionList(struct list **out) {
	Dl_info self;
	char path[4200];
	word (*get)(struct list **);
	if (real == NULL) {
		dladdr((void *)C_GetFunctionList, &self);
		snprintf(folder, sizeof folder, "%s", self.dli_fname);
		*strrchr(folder, '/') = 0;
		snprintf(path, sizeof path, "%s/real.so", folder);
		void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
		if (handle == NULL) {
			fprintf(stderr, "%s\n", dlerror());
			return 5;
		}
		*(void **)(&get) = dlsym(handle, "C_GetFunctionList");
		if (get(&real) != 0)
			return 5;
		ours = *real;
#define X(i, name) ours.f[i] = our_##name;
		FUNCTIONS
#undef X
	}
	static struct list stranger;
	static int asked;
	*out = &ours;
	if (order("own", "list", path) && asked++ == 0) {
		for (int i = 0; i < 68; i++)
			stranger.f[i] = strange;
		*out = &stranger;
	}
	return 0;
}
