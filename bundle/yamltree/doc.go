// Package yamltree reads YAML text into a tree, within limits that hold before
// it is parsed.
//
// The parser behind it takes some 300 bytes of memory for a byte of text, and
// time that grows with the square of the entries of a mapping, of the documents,
// and of the depth: 2 MB stopped it for minutes. So a text is first measured by its
// size, then cut into tokens, which takes linear time, and counted: entries of each
// mapping, keys of the whole, documents, depth. What is over a limit is refused with
// its place and the number.
//
// A syntax error is reported where its cause is. A quote that nobody closes runs on
// to the next one, which may be an apostrophe in a comment far below: the place
// given is where the quote opens. No error repeats anything of the text but a name
// of a key, since secrets may stand in it.
package yamltree
