package request

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"officiant/bundle/refusaltest"
)

// TestFolderRefusals is the catalogue of what a folder of `kubeadm certs generate-csr`
// is refused with.
func TestFolderRefusals(t *testing.T) {
	tmp := t.TempDir()
	check(t, os.CopyFS(tmp, os.DirFS(filepath.Join("testdata", "generate-csr"))))
	sh := func(script string) string { return refusaltest.Shell(t, tmp, script) }
	sh(`openssl req -x509 -new -key pki/apiserver.key -subj /CN=kube-apiserver -days 2 -out crt.pem
		printf '[req]\ndistinguished_name=d\n[d]\n' >c.cnf; openssl genrsa -out small.key 1024
		openssl genpkey -algorithm ed25519 -out ed.key; openssl ecparam -name prime256v1 -genkey -noout -out ec.key
		openssl ecparam -name secp224r1 -genkey -noout -out p224.key
		openssl ecparam -name prime256v1 -genkey -param_enc explicit -out explicit.key
		openssl ecparam -name secp256k1 -genkey -noout -out k256.key
		openssl genpkey -algorithm rsa-pss -pkeyopt rsa_keygen_bits:2048 -out pss.key
		openssl genrsa -out rsa.key 2048; openssl genrsa -3 -out e3.key 2048`)
	made := func(key string, more string) string {
		return sh("openssl req -new -config c.cnf -key " + key + " " + more)
	}
	csr, key, conf := sh("cat pki/apiserver.csr"), sh("cat pki/apiserver.key"), sh("cat admin.conf")
	leaves := generatedLeaves(t)
	with := func(name string) func([]byte) error {
		return func(data []byte) error {
			dir := generated(t)
			if dir[name] = (&fstest.MapFile{Data: data}); data == nil {
				delete(dir, name)
			}
			_, err := FromCSRDir(dir, leaves)
			return err
		}
	}
	placed := func(name string, mode fs.FileMode, data string) func([]byte) error {
		return func([]byte) error {
			dir := generated(t)
			dir[name] = &fstest.MapFile{Mode: mode, Data: []byte(data)}
			_, err := FromCSRDir(dir, leaves)
			return err
		}
	}
	without := func(names ...string) func([]byte) error {
		return func([]byte) error {
			dir := generated(t)
			for _, name := range names {
				delete(dir, name)
			}
			_, err := FromCSRDir(dir, leaves)
			return err
		}
	}
	server := "-subj /CN=kube-apiserver "
	csrs, keys, confs := with("pki/apiserver.csr"), with("pki/apiserver.key"), with("admin.conf")
	named := func(file string) string {
		return strings.Replace(conf,
			"client-key-data: "+between(conf, "client-key-data: ", "\n"), "client-key: "+file, 1)
	}
	beside := func(name, data string) func([]byte) error {
		return func(config []byte) error {
			dir := generated(t)
			dir["admin.conf"], dir[name] = &fstest.MapFile{Data: config}, &fstest.MapFile{Data: []byte(data)}
			_, err := FromCSRDir(dir, leaves)
			return err
		}
	}
	inside := between(conf, "client-key-data: ", "\n")
	configKey := sh("echo " + inside + " | base64 -d")
	sources := []string{"csrdir.go", "csr.go", "guess.go"}
	refusaltest.Hold(t, refusaltest.Table{Read: csrs, Sources: sources, Rows: []refusaltest.Row{
		{
			Of:   "a kubelet of no node",
			Data: made("pki/apiserver.key", "-subj /O=system:nodes/CN=kubelet"),
			Says: `kubelet.conf.csr: CN "kubelet" is not system:node:NAME`,
			Not:  made("pki/apiserver.key", "-subj /CN=system:node:cp-2"),
			Read: func(data []byte) error {
				dir := generated(t)
				dir["kubelet.conf.csr"] = &fstest.MapFile{Data: data}
				_, _, err := Guess(dir)
				return err
			},
		},
		{Of: "with the text of openssl", Data: sh("openssl req -in pki/apiserver.csr -text")},
		{Of: "with CR LF and a mark", Data: "\ufeff" + strings.ReplaceAll(csr, "\n", "\r\n")},
		{Of: "its old name", Data: strings.ReplaceAll(csr, " CERTIFICATE", " NEW CERTIFICATE")},
		{Of: "with its key", Data: key + csr},
		{Of: "missing", Says: "apiserver.csr: is missing, also in pki", Read: without("pki/apiserver.csr")},
		{Of: "empty", Data: "\n", Says: "is empty", Not: csr},
		{Of: "a key", Data: key, Says: "holds a private key and no certificate request", Not: key + csr},
		{
			Of:   "a certificate",
			Data: sh("cat crt.pem"),
			Says: "holds a certificate and no request",
			Not:  sh("cat crt.pem") + csr,
		},
		{
			Of:   "a public key",
			Data: sh("openssl pkey -in pki/apiserver.key -pubout"),
			Says: "another kind of PEM block",
			Not:  csr,
		},
		{Of: "several", Data: csr + csr, Says: "holds several certificate requests", Not: csr},
		{
			Of:      "DER",
			Data:    sh("openssl req -in pki/apiserver.csr -outform der"),
			Says:    "is DER and not PEM",
			Not:     "x",
			Instead: "is not one PEM block",
		},
		{Of: "damaged", Data: strings.Replace(csr, "MII", "MIJ", 1), Says: "is not a certificate request", Not: csr},
		{Of: "of another key", Data: made("rsa.key", server), Says: "is not the key of", Not: csr},
		{
			Of:   "of another name",
			Data: made("pki/apiserver.key", "-subj /CN=x/O=y -addext subjectAltName=DNS:a.b,IP:9.9.9.9,email:a@b"),
			Says: `asks for CN "x", O "y", DNS name "a.b", IP address 9.9.9.9, email addresses or URIs`,
			Not:  made("pki/apiserver.key", server),
		},
		{
			Of:   "a CA's",
			Data: made("pki/apiserver.key", server+"-addext basicConstraints=CA:TRUE"),
			Says: "asks to be a certificate authority",
			Not:  made("pki/apiserver.key", server+"-addext basicConstraints=CA:FALSE"),
		},
		{
			Of:   "a CA's usages",
			Data: made("pki/apiserver.key", server+"-addext keyUsage=keyCertSign"),
			Says: "asks for the key usages of a",
			Not:  made("pki/apiserver.key", server+"-addext keyUsage=digitalSignature"),
		},
		{Of: "constraints unread", Data: made("pki/apiserver.key", server+"-addext basicConstraints=DER:05:00:00"),
			Says: "asks for basicConstraints that cannot be read"},
		{
			Of:   "usage unread",
			Data: made("pki/apiserver.key", server+"-addext keyUsage=DER:05:00"),
			Says: "asks for a keyUsage that cannot be read",
		},
		{
			Of:      "a small key",
			Data:    made("small.key", server),
			Says:    "has 1024 bits, fewer",
			Not:     made("rsa.key", server),
			Instead: "is not the key of",
		},
		{Of: "exponent 3", Data: made("e3.key", server), Says: "even modulus, or an exponent"},
		{
			Of:      "P-224",
			Data:    made("p224.key", server),
			Says:    "on the curve P-224",
			Not:     made("ec.key", server),
			Instead: "is not the key of",
		},
		{Of: "Ed25519", Data: made("ed.key", server), Says: "neither ECDSA nor RSA"},
		{Of: "forged", Data: flipped(csr), Says: "its own signature does not verify", Not: csr},

		{Of: "a key with its certificate", Data: key + sh("cat crt.pem"), Read: keys},
		{Of: "a key: empty", Data: " ", Says: "pki/apiserver.key: is empty", Not: key, Read: keys},
		{Of: "a key: UTF-16", Data: sh("iconv -t UTF-16 pki/apiserver.key"), Read: keys},
		{
			Of:   "a key: DER",
			Data: sh("openssl pkey -in pki/apiserver.key -outform der"),
			Says: "is DER and not PEM",
			Read: keys,
		},

		{Of: "a kubeconfig: no key", Data: strings.Replace(conf, "client-key-data: "+inside, "x: y", 1),
			Says: "has no client-key-data, and there is no admin.conf.key", Not: conf, Read: confs},
		{Of: "a kubeconfig: a file", Data: named("a.key"), Read: beside("a.key", configKey)},
		{
			Of:   "a kubeconfig: a file that is not there",
			Data: named("a.key"),
			Says: "its client-key is the file a.key: file does not exist",
			Not:  conf,
			Read: confs,
		},
		{
			Of:   "a kubeconfig: a bad file",
			Data: named("a.key"),
			Says: "its client-key is the file a.key, which is empty",
			Read: beside("a.key", ""),
		},
		{
			Of:      "a kubeconfig: a file elsewhere",
			Data:    named("/root/a.key"),
			Says:    "its client-key is the file /root/a.key; put that beside it as admin.conf.key, or in it: kubectl",
			Not:     named("a.key"),
			Instead: "file does not exist",
			Read:    confs,
		},
		{Of: "too large", Data: csr + strings.Repeat("#", 1<<20),
			Says: "bytes, more than the 1048576 that are read", Not: csr},
		{Of: "a folder", Says: "pki/apiserver.csr: is a directory", Read: placed("pki/apiserver.csr", fs.ModeDir, "")},
		{Of: "a FIFO", Says: "pki/apiserver.csr: is a pipe, a socket or a device, where a file belongs",
			Read: placed("pki/apiserver.csr", fs.ModeNamedPipe, "")},
		{Of: "a link to nothing", Says: "pki/apiserver.csr: is a link to nothing",
			Read: placed("pki/apiserver.csr", fs.ModeSymlink, "none")},
		{Of: "a kubeconfig that is a FIFO", Says: "admin.conf: is a pipe, a socket or a device",
			Read: placed("admin.conf", fs.ModeNamedPipe, "")},
		{Of: "no kubeconfig", Says: "admin.conf: is missing, and so is admin.conf.key", Read: without("admin.conf")},
		{Of: "signed by PSS of another salt", Data: made("rsa.key", server+"-sigopt rsa_padding_mode:pss "+
			"-sigopt rsa_pss_saltlen:20"), Says: "is signed in a way that is not verified here",
			Not:     made("rsa.key", server+"-sigopt rsa_padding_mode:pss -sigopt rsa_pss_saltlen:32"),
			Instead: "is not the key of"},
		{Of: "a key for PSS alone", Data: made("pss.key", server), Says: "one for RSA-PSS alone counts as neither",
			Not: made("rsa.key", server), Instead: "is not the key of"},
		{Of: "explicit parameters", Data: made("explicit.key", server), Says: "its ECDSA key spells its curve out",
			Not: made("ec.key", server), Instead: "is not the key of"},
		{Of: "a curve of Bitcoin", Data: made("k256.key", server),
			Says: "on a curve that no program of Kubernetes reads",
			Not:  made("ec.key", server), Instead: "is not the key of"},
		{Of: "nothing of a node",
			Says: "is missing, also in pki", Read: without("pki/etcd/server.csr", "kubelet.conf.csr")},
	}, Except: map[string]string{
		"its RSA key has %d bits, more": "openssl makes such a key for a minute; TestWeakRSA has one",
		"is not one line of base64":     "about our own format; TestEveryBitCounts",
		"is not the signature of":       "about our own format; TestEveryBitCounts",
	}})
}

func between(s, begin, end string) string {
	_, rest, _ := strings.Cut(s, begin)
	text, _, _ := strings.Cut(rest, end)
	return text
}

// flipped is a PEM block with another last byte: of the signature.
func flipped(text string) string {
	i := strings.LastIndex(strings.TrimSuffix(text, "\n"), "\n") - 3
	c := byte('A')
	if text[i] == 'A' {
		c = 'B'
	}
	return text[:i] + string(c) + text[i+1:]
}
