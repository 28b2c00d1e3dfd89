// Package report makes the two papers of a ceremony: the script that people
// follow in the room, and the minutes of what happened there.
//
// Both only present what others say. The script is a function of plan, station and
// steps. The minutes are a function of the ceremony directory and of its audit. The
// same directory gives the same bytes, so anyone who has minutes and directory can
// tell whether they belong together. Minutes prove nothing; the directory does.
//
// HTML is one file: no script, no font, no picture and no style from outside,
// and a policy (Content-Security-Policy) that allows none. Pictures are SVG in
// the page. Everything that comes from outside goes through html/template. The
// pages are laid out for A4 and Letter, and for screens from 360 pixels on.
//
// The script as text has 80 columns of ASCII, for a room whose only printer is
// an old one.
package report
