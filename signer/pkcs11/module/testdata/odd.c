// A PKCS#11 module whose answers cannot be, as the variable ODD has it, in words NAME=NUMBER:
//
//	nolist=1    C_GetFunctionList gives no list
//	without=43  the list lacks this function
//	tells=5     a list, an attribute or a wrapped key has this length, when it is asked for that
//	gives=5     and this one when it is given; so many objects, and a signature this long
//	grows=1     a list is too long for what was told of it
#include <stdlib.h>
#include <string.h>

typedef unsigned long word;
struct list { unsigned char version[2]; void *f[68]; };
struct attribute { word type; void *value; word length; };

static struct list ours = {{2, 40}};

static word odd(const char *name, word otherwise) {
	const char *all = getenv("ODD"), *at;
	if (all == NULL || (at = strstr(all, name)) == NULL)
		return otherwise;
	return strtoul(at + strlen(name) + 1, NULL, 10);
}

static word no(void) { return 0x54; } // CKR_FUNCTION_NOT_SUPPORTED
static word yes(void) { return 0; }

static word length(void *to, word *n) {
	*n = to == NULL ? odd("tells", 1) : odd("gives", 1);
	return 0;
}

static word numbers(word *list, word *count) {
	if (list != NULL && odd("grows", 0))
		return 0x150; // CKR_BUFFER_TOO_SMALL
	return length(list, count);
}

static word slots(unsigned char present, word *list, word *count) { return numbers(list, count); }
static word mechanisms(word slot, word *list, word *count) { return numbers(list, count); }
static word value(word s, word o, struct attribute *a, word n) { return length(a->value, &a->length); }
static word wrap(word s, void *m, word around, word key, void *to, word *n) { return length(to, n); }

static word find(word s, word *found, word most, word *count) {
	*count = odd("gives", 1);
	for (word i = 0; i < *count && i < most; i++)
		found[i] = i + 7;
	return 0;
}

static word sign(word s, void *data, word len, void *to, word *n) {
	*n = odd("gives", 64);
	return 0;
}

word C_GetFunctionList(struct list **list) {
	for (int i = 0; i < 68; i++)
		ours.f[i] = no;
	ours.f[3] = C_GetFunctionList;
	ours.f[4] = slots;
	ours.f[7] = mechanisms;
	ours.f[24] = value;
	ours.f[26] = ours.f[28] = ours.f[42] = yes;
	ours.f[27] = find;
	ours.f[43] = sign;
	ours.f[60] = wrap;
	if (odd("without", 67) < 67)
		ours.f[odd("without", 67)] = NULL;
	*list = odd("nolist", 0) ? NULL : &ours;
	return 0;
}
