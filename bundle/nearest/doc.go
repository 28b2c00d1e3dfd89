// Package nearest finds the name somebody meant by one that does not exist.
//
// A name that differs in case alone is meant before any other. After that the
// fewest slips count: a letter too many, one missing, one wrong, or two
// neighbours swapped. A name of up to four letters may have one slip, a longer
// one a third of its letters, at most three. Of two names that are equally near,
// neither is suggested: a wrong guess costs more than none.
package nearest
