// Package module has a PKCS#11 module run in a process of its own. A module is
// foreign code: it may crash, hang in any call, end the process, print, fork, and
// change directory, locale, signal handlers and environment. In this process it
// does none of that to the program that conducts the ceremony, nor sees its memory.
//
// # The process
//
// It is this same program, started anew as "officiant-pkcs11-module PATH PARENT
// LIMIT"; Serve, with which main begins, recognizes it. It has a session of its
// own, so a terminal's signals do not reach it, /dev/null for stdin, one pipe for
// stdout and stderr, whose lines go to Options.Said, no core files, and the
// variables that Variables chooses. It stays until the other side is gone: a
// call that may write to the token is finished first, then C_Finalize is called
// within a second. Whoever opens the module next waits for such a process.
//
// Modules and C are called there by miekg/pkcs11 and, where that believes a
// length or copies a PIN, by functions of our own (native.go).
//
// # The boundary
//
// What crosses is PKCS#11 itself, a function at a time, and nothing of package
// pkcs11: what a token claims is judged on the side that the module cannot reach.
// Searches and signatures cross whole, and several signatures at once.
//
// # Messages
//
// Over a Unix socket pair, both ways, big-endian:
//
//	length  4 bytes, of the body, at most 1 MiB
//	number  4 bytes; an answer has its request's
//	kind    1 byte: a request's function, by its place in CK_FUNCTION_LIST;
//	        an answer's: 0 values, 1 a code, 2 text
//	body    numbers of 8 bytes, and byte strings with their length in 4 before them
//
// A request has a function's arguments, and its answer what the function
// returned. A code comes with the function that gave it; text says what is wrong
// with an answer of the module's. A list is its length and its elements. What is not
// of its form ends the process. A PIN crosses once and is cleared behind itself.
//
// A page of shared memory holds for each request the function that it is in, so
// that *Late and *Ended name the call in which a module hangs or died.
package module
