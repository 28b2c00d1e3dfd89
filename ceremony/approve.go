package ceremony

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"syscall"

	"officiant/bundle/fingerprint"
	"officiant/ceremony/approval"
	"officiant/ceremony/schedule"
	"officiant/ceremony/transcript"
)

const approvalsFolder = "approvals"

// Approved is a *Refused when too few people have approved a plan. It returns
// the approvals there are, by file name: those given and those that dir holds
// already. Its own come before others of their name, since a signature may have
// been made twice.
func Approved(dir string, c *schedule.Ceremony, given map[string][]byte) (map[string][]byte, error) {
	files, verdict, err := judge(dir, c, given)
	if err != nil || verdict.Enough() {
		return files, err
	}
	refused := &Refused{[]string{fmt.Sprintf("too few people have approved digest %s:", c.Digest)}}
	for _, t := range verdict.Progress {
		refused.Reasons = append(refused.Reasons, t.String())
	}
	for _, bad := range verdict.Rejected {
		refused.Reasons = append(refused.Reasons, bad.String())
	}
	return nil, refused
}

// approved are the approvals there are. A rehearsal counts them, and goes on
// without.
func (r *run) approved() (map[string][]byte, error) {
	if !r.rehearsal {
		return Approved(r.dir.path, r.Plan, r.Approvals)
	}
	files, _, err := judge(r.dir.path, r.Plan, r.Approvals)
	return files, err
}

// judge gathers the approvals given and those that dir holds already, and counts them.
func judge(dir string, c *schedule.Ceremony, given map[string][]byte) (map[string][]byte, *approval.Verdict, error) {
	files := map[string][]byte{}
	maps.Copy(files, given)
	if info, err := os.Stat(dir); err == nil && !info.IsDir() {
		return nil, nil, &fs.PathError{Op: "open", Path: dir, Err: syscall.ENOTDIR}
	}
	own, err := ReadApprovals(os.DirFS(dir))
	if err != nil {
		return nil, nil, err
	}
	maps.Copy(files, own)
	verdict := approval.Judge(c.Digest, files, c.Approvers()...)
	for _, bad := range verdict.Rejected {
		if _, ok := own[bad.File]; ok {
			return nil, verdict, &Refused{[]string{filepath.Join(dir, bad.String()) +
				": it cannot stay in the ceremony's directory"}}
		}
	}
	return files, verdict, nil
}

// adoptApprovals copies the valid approvals into the directory, and tells what
// the record says of them.
func (r *run) adoptApprovals() ([]transcript.Approval, error) {
	out := []transcript.Approval{}
	verdict := approval.Judge(r.plan.Digest, r.approvals, r.plan.Approvers()...)
	if !verdict.Enough() && !r.rehearsal {
		return nil, errors.New("approvals have changed since they were counted")
	}
	for _, a := range verdict.Approvals {
		if err := r.dir.ensure(path.Join(approvalsFolder, a.File), r.approvals[a.File]); err != nil {
			return nil, err
		}
		out = append(out, transcript.Approval{Person: a.Person, Key: a.Key, Signature: a.Signature})
	}
	for _, t := range verdict.Progress {
		r.observer.Say(t.String())
	}
	for _, bad := range verdict.Rejected {
		r.observer.Say("left out: " + bad.String())
	}
	if p := r.plan.People; !p.Nobody() {
		r.observer.Fingerprint("people", p.Fingerprint())
	}
	return out, nil
}

// findApprovals wants the file of each approval on record, and writes one again
// that got lost.
func (r *run) findApprovals() error {
	files := map[fingerprint.SHA256]string{}
	for name, data := range r.approvals {
		files[fingerprint.Of(data)] = name
	}
	for _, a := range r.progress.Open.Approvals {
		name, ok := files[a.Signature]
		if !ok {
			return fmt.Errorf("%s: %s's approval is on record and its file, of SHA-256 %s, is gone",
				filepath.Join(r.dir.path, approvalsFolder), a.Person, a.Signature)
		}
		if err := r.dir.ensure(path.Join(approvalsFolder, name), r.approvals[name]); err != nil {
			return err
		}
	}
	return nil
}

// ReadApprovals reads the files of approvals/ in a plan's folder or a ceremony
// directory; none if there is no such folder. It skips files larger than a
// signature, and files that are not named NAME.sig.
func ReadApprovals(folder fs.FS) (map[string][]byte, error) {
	return approval.ReadFolder(folder, approvalsFolder)
}
