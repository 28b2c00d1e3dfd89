// Package approval knows who may approve a plan and who witnesses a ceremony, and
// reads their SSH signatures, made with existing keys, by officiant or by ssh-keygen
// alone. This page is the specification, version 1.
//
// # People
//
// Each of a plan's people has a name (lower-case letters, digits, dashes), one role
// and one key, and no two share either. Administrators, who conduct, and officers
// approve. Witnesses observe, and do not approve. The threshold says how many have to
// approve: from one to all who may.
//
// The fingerprint of people is the SHA-256 of this text, one line per person, sorted
// bytewise, with keys without their comment:
//
//	officiant people v1
//	threshold 2
//	alice officer ssh-ed25519 AAAAC3Nz…
//	kim administrator ssh-ed25519 AAAAC3Nz…
//
// # Approvals
//
// An approval is an SSH signature in the namespace officiant-plan over two lines,
// each ended by a newline. The second is the plan's digest in lower-case hex:
//
//	officiant plan approval v1
//	9f0c…
//
// It is stored in approvals/NAME.sig beside the plan. If the people change, the
// previous ceremony's people must approve as well. A person in both groups with a new
// key puts the old key's approval into approvals/NAME.previous.sig.
//
// # Witnesses
//
// A witness signs the head of a closed transcript, in the namespace
// officiant-transcript, as witnesses/NAME.sig:
//
//	officiant transcript witness v1
//	b2d4…
package approval
