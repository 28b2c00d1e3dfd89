// The calls in which a module's own lengths and counts are not believed, and
// those that come as one. Each tells in *progress which function it is in.

#include <dlfcn.h>
#include <stdlib.h>

typedef unsigned long ck_ulong;

typedef struct {
	ck_ulong type;
	void *value;
	ck_ulong length;
} ck_attribute;

typedef struct {
	ck_ulong mechanism;
	void *parameter;
	ck_ulong parameter_len;
} ck_mechanism;

// CK_FUNCTION_LIST up to C_WrapKey (PKCS #11 v2.40 base specification, section
// 3.6); the order is fixed for all versions since 2.0.
typedef struct {
	unsigned char version[2];
	void *f[61];
} ck_functions;

enum {
	get_slot_list = 4, get_mechanism_list = 7, login = 18, get_attribute_value = 24,
	find_objects_init = 26, find_objects = 27, find_objects_final = 28, sign_init = 42, sign = 43, wrap_key = 60,
};

// As attributes and lists tell that there is no length.
#define NO_LENGTH (~0ul)

static void *officiant_load(const char *path, ck_functions **functions, ck_ulong *rv, const char **message) {
	ck_ulong (*list)(ck_functions **);
	void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (handle == NULL) {
		*message = dlerror();
		return NULL;
	}
	*(void **)(&list) = dlsym(handle, "C_GetFunctionList");
	if (list == NULL) {
		*message = "it has no C_GetFunctionList";
		return NULL;
	}
	*rv = list(functions);
	return handle;
}

static ck_ulong officiant_slots(ck_functions *f, ck_ulong *list, ck_ulong *count) {
	return ((ck_ulong (*)(unsigned char, ck_ulong *, ck_ulong *))f->f[get_slot_list])(1, list, count);
}

static ck_ulong officiant_mechanisms(ck_functions *f, ck_ulong slot, ck_ulong *list, ck_ulong *count) {
	return ((ck_ulong (*)(ck_ulong, ck_ulong *, ck_ulong *))f->f[get_mechanism_list])(slot, list, count);
}

static ck_ulong officiant_login(ck_functions *f, ck_ulong session, ck_ulong user, unsigned char *pin, ck_ulong len) {
	return ((ck_ulong (*)(ck_ulong, ck_ulong, unsigned char *, ck_ulong))f->f[login])(session, user, pin, len);
}

static ck_ulong officiant_attribute(ck_functions *f, ck_ulong session, ck_ulong object, ck_ulong type, void *value, ck_ulong *length) {
	ck_attribute a = {type, value, *length};
	ck_ulong rv = ((ck_ulong (*)(ck_ulong, ck_ulong, ck_attribute *, ck_ulong))f->f[get_attribute_value])(session, object, &a, 1);
	*length = a.length;
	return rv;
}

// officiant_find_init lays the template out: types, and values one behind the other.
static ck_ulong officiant_find_init(ck_functions *f, ck_ulong session, ck_ulong *types, ck_ulong *lengths,
		unsigned char *values, ck_ulong n, volatile unsigned int *progress) {
	ck_attribute *template = calloc(n + 1, sizeof *template);
	ck_ulong rv;
	if (template == NULL)
		return 2; // CKR_HOST_MEMORY
	for (ck_ulong i = 0; i < n; i++) {
		template[i].type = types[i];
		template[i].value = values;
		template[i].length = lengths[i];
		values += lengths[i];
	}
	*progress = find_objects_init;
	rv = ((ck_ulong (*)(ck_ulong, ck_attribute *, ck_ulong))f->f[find_objects_init])(session, template, n);
	free(template);
	return rv;
}

static ck_ulong officiant_find(ck_functions *f, ck_ulong session, ck_ulong *found, ck_ulong most, ck_ulong *count,
		volatile unsigned int *progress) {
	*progress = find_objects;
	return ((ck_ulong (*)(ck_ulong, ck_ulong *, ck_ulong, ck_ulong *))f->f[find_objects])(session, found, most, count);
}

static ck_ulong officiant_find_final(ck_functions *f, ck_ulong session, volatile unsigned int *progress) {
	*progress = find_objects_final;
	return ((ck_ulong (*)(ck_ulong))f->f[find_objects_final])(session);
}

// officiant_sign tells in progress how far it came: C_SignInit, C_Login, C_Sign.
static ck_ulong officiant_sign(ck_functions *f, ck_ulong session, ck_ulong key, ck_ulong mechanism,
		void *parameter, ck_ulong parameter_len, unsigned char *data, ck_ulong len,
		int with_login, unsigned char *pin, ck_ulong pin_len,
		unsigned char *signature, ck_ulong *signature_len, volatile unsigned int *progress) {
	ck_mechanism m = {mechanism, parameter, parameter_len};
	ck_ulong rv;
	*progress = sign_init;
	if ((rv = ((ck_ulong (*)(ck_ulong, ck_mechanism *, ck_ulong))f->f[sign_init])(session, &m, key)) != 0)
		return rv;
	if (with_login) {
		*progress = login;
		if ((rv = officiant_login(f, session, 2, pin, pin_len)) != 0) // CKU_CONTEXT_SPECIFIC
			return rv;
	}
	*progress = sign;
	return ((ck_ulong (*)(ck_ulong, unsigned char *, ck_ulong, unsigned char *, ck_ulong *))f->f[sign])(session, data, len, signature, signature_len);
}

static ck_ulong officiant_wrap(ck_functions *f, ck_ulong session, ck_ulong mechanism, void *parameter, ck_ulong parameter_len,
		ck_ulong around, ck_ulong key, unsigned char *wrapped, ck_ulong *length) {
	ck_mechanism m = {mechanism, parameter, parameter_len};
	return ((ck_ulong (*)(ck_ulong, ck_mechanism *, ck_ulong, ck_ulong, unsigned char *, ck_ulong *))f->f[wrap_key])(session, &m, around, key, wrapped, length);
}
