// Package module runs a PKCS#11 module in a separate process. A module is
// foreign code: it may crash, hang in any call, end the process, print, fork, and
// change directory, locale, signal handlers and environment. In a separate process it
// does none of that to the program that conducts the ceremony, and cannot see its memory.
//
// # The process
//
// The process is the same program, started again as "officiant-pkcs11-module PATH PARENT
// LIMIT"; Serve, which main calls first, recognizes it. It has its own
// session, so a terminal's signals do not reach it, /dev/null for stdin, one pipe for
// stdout and stderr, whose lines go to Options.Said, no core files, and the
// variables that Variables chooses. It stays until the other side is gone. Then it
// finishes a call that may write to the token, and calls C_Finalize
// within a second. Whoever opens the module next waits for such a process.
//
// There, miekg/pkcs11 calls the module. Where miekg/pkcs11 trusts a length or copies a
// PIN, our own functions call it (native.go).
//
// # The boundary
//
// PKCS#11 itself crosses the boundary, a function at a time, and nothing of package
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
// with an answer of the module. A list is its length and its elements. A malformed
// message ends the process. A PIN crosses once and is cleared afterwards.
//
// A page of shared memory holds, for each request, the function it is in, so
// that *Late and *Ended name the call in which a module hangs or died.
package module
