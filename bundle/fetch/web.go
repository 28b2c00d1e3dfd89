package fetch

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// maxHeader bounds what a server may say before its answer, in bytes.
const maxHeader = 32 << 10

// maxValidator is more than any server's ETag has.
const maxValidator = 256

// web is a web server that hands out files below a URL.
type web struct {
	base   *url.URL
	client *http.Client
	o      Options
}

func newWeb(at string, o Options) (*web, error) {
	base, err := parseURL(at)
	if err != nil {
		return nil, err
	}
	t := &http.Transport{
		TLSClientConfig:        &tls.Config{MinVersion: tls.VersionTLS12},
		DisableCompression:     true, // or a small answer becomes an endless one
		DisableKeepAlives:      true,
		MaxResponseHeaderBytes: maxHeader,
		TLSHandshakeTimeout:    30 * time.Second,
		ResponseHeaderTimeout:  time.Minute,
	}
	if o.CA != nil {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(o.CA) {
			return nil, errors.New("the file of CAs holds no PEM certificate")
		}
	}
	if o.Proxy != "" {
		proxy, err := url.Parse(o.Proxy)
		if err != nil || proxy.Host == "" || proxy.Scheme != "http" && proxy.Scheme != "https" || proxy.User != nil {
			return nil, fmt.Errorf("%q is no proxy: http://HOST:PORT, without a password", redacted(o.Proxy))
		}
		t.Proxy = http.ProxyURL(proxy)
	}
	c := &http.Client{
		Transport:     t,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	return &web{base, c, o}, nil
}

// parseURL takes what names a folder of files on a server, and nothing besides.
func parseURL(at string) (*url.URL, error) {
	u, err := url.Parse(at)
	if err != nil {
		return nil, fmt.Errorf("%q is no URL", redacted(at))
	}
	switch {
	case u.User != nil:
		return nil, fmt.Errorf("%s has a name or password in it, which other users of this machine would see", u.Redacted())
	case u.RawQuery != "" || u.Fragment != "" || u.Host == "":
		return nil, fmt.Errorf("%q is not of the form https://HOST/PATH", at)
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return nil, fmt.Errorf("%q is not https; http is for a server on this machine alone", at)
	case u.Scheme != "https" && u.Scheme != "http":
		return nil, fmt.Errorf("%q is neither an https URL nor a folder", at)
	}
	return u, nil
}

// redacted is a URL that could not be read without what may be a password in it.
func redacted(s string) string {
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		return "…" + s[i:]
	}
	return s
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func (w *web) request(ctx context.Context, method, name string, body []byte) (*http.Request, error) {
	r, err := http.NewRequestWithContext(
		ctx,
		method,
		w.base.JoinPath(url.PathEscape(name)).String(),
		bytes.NewReader(body),
	)
	if err != nil {
		return nil, err
	}
	r.Header.Set("User-Agent", w.o.Agent)
	return r, nil
}

func (w *web) get(ctx context.Context, name string, known Validator) ([]byte, Validator, error) {
	none := Validator{}
	r, err := w.request(ctx, http.MethodGet, name, nil)
	if err != nil {
		return nil, none, err
	}
	if known.ETag != "" {
		r.Header.Set("If-None-Match", known.ETag)
	}
	if known.LastModified != "" {
		r.Header.Set("If-Modified-Since", known.LastModified)
	}
	answer, err := w.do(ctx, r)
	if err != nil {
		return nil, none, err
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotModified && known != none:
		return nil, known, ErrUnchanged
	case answer.StatusCode == http.StatusNotFound || answer.StatusCode == http.StatusGone:
		return nil, none, fmt.Errorf("%s: %w", r.URL, ErrAbsent)
	case answer.StatusCode != http.StatusOK:
		return nil, none, fmt.Errorf("%s: the server answers with %s", r.URL, oddAnswer(answer))
	case answer.ContentLength > w.o.Bytes:
		return nil, none, fmt.Errorf("%s is larger than %d bytes", r.URL, w.o.Bytes)
	}
	data, err := readUpTo(answer.Body, r.URL.String(), w.o.Bytes)
	if ctx.Err() != nil {
		return nil, none, fmt.Errorf("%s: %w", r.URL, ended(ctx, w.o.Timeout))
	}
	if err != nil {
		return nil, none, fmt.Errorf("%s: the answer is cut off: %w", r.URL, err)
	}
	return data, validator(answer), nil
}

// validator is what an answer says of its file; none when the file was changed in the
// very second of the answer. If it is changed again in that second, both look the same by
// their dates, and by the tags that servers make of them (RFC 9110, 8.8.2.2).
func validator(a *http.Response) Validator {
	v := Validator{ETag: plainHeader(a, "ETag"), LastModified: plainHeader(a, "Last-Modified")}
	if v.LastModified == "" {
		return v
	}
	changed, err := http.ParseTime(v.LastModified)
	if err != nil {
		return Validator{}
	}
	at, err := http.ParseTime(a.Header.Get("Date"))
	if err != nil || at.Sub(changed) < time.Second {
		return Validator{}
	}
	return v
}

func (w *web) put(ctx context.Context, name string, data []byte) error {
	r, err := w.request(ctx, http.MethodPut, name, data)
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	answer, err := w.do(ctx, r)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return fmt.Errorf("%s: the server answers with %s", r.URL, oddAnswer(answer))
	}
	return nil
}

func (w *web) do(ctx context.Context, r *http.Request) (*http.Response, error) {
	answer, err := w.client.Do(r)
	if ctx.Err() != nil {
		if err == nil {
			answer.Body.Close()
		}
		return nil, fmt.Errorf("%s: %w", r.URL, ended(ctx, w.o.Timeout))
	}
	return answer, err
}

// oddAnswer names a status in words of ours: the server's own are anybody's.
func oddAnswer(a *http.Response) string {
	text := http.StatusText(a.StatusCode)
	if a.StatusCode >= 300 && a.StatusCode < 400 && a.StatusCode != http.StatusNotModified {
		text += ", and redirects are not followed"
	}
	return strings.TrimSpace(fmt.Sprintf("%d %s", a.StatusCode, text)) // a server may make a number up
}

// plainHeader is a header's value, where it is such that it can be kept and sent again.
func plainHeader(a *http.Response, name string) string {
	v := a.Header.Get(name)
	if len(v) > maxValidator || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return v
}
