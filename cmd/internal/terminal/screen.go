package terminal

import (
	"bytes"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"unicode/utf8"

	"golang.org/x/term"
)

// Screen is where a program's output goes. People at a terminal get long lines
// folded at its width; in a pipe or a file nothing is folded, so that it can be
// searched. Words, and with them fingerprints and names, are never broken; a
// command that is folded can still be pasted; JSON stays as it is. Several goroutines
// may write.
type Screen struct {
	out     io.Writer
	width   int  // columns; 0: nothing is folded
	painted bool // marks have colours

	mu   sync.Mutex
	line []byte // begun and not ended
}

const narrowest = 40 // columns; less is not believed

// NewScreen makes a screen of out. columns is what COLUMNS in the environment says:
// a number folds there, also in a pipe; empty, a terminal's own width counts.
func NewScreen(out io.Writer, columns string) *Screen {
	s := &Screen{out: out}
	if n, err := strconv.Atoi(columns); err == nil && n >= narrowest {
		s.width = n
	} else if f, ok := out.(*os.File); ok {
		if n, _, err := term.GetSize(int(f.Fd())); err == nil && n >= narrowest {
			s.width = n
		}
	}
	return s
}

// File is where output goes in the end, behind a Screen; nil when that is no file.
func File(out io.Writer) *os.File {
	if s, ok := out.(*Screen); ok {
		out = s.out
	}
	f, _ := out.(*os.File)
	return f
}

// Write folds whole lines; what is begun waits for its end, or for Flush.
func (s *Screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.width == 0 && !s.painted {
		return s.out.Write(p)
	}
	s.line = append(s.line, p...)
	end := bytes.LastIndexByte(s.line, '\n') + 1
	if bytes.IndexByte(s.line, '\r') >= 0 { // a line that is written over and over
		end = len(s.line)
	}
	if end == 0 {
		return len(p), nil
	}
	var b strings.Builder
	for line := range strings.Lines(string(s.line[:end])) {
		text, ended := strings.CutSuffix(line, "\n")
		if s.width > 0 {
			text = foldLine(text, s.width)
		}
		if s.painted {
			text = paint(text)
		}
		b.WriteString(text)
		if ended {
			b.WriteByte('\n')
		}
	}
	s.line = append(s.line[:0], s.line[end:]...)
	if _, err := io.WriteString(s.out, b.String()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Flush writes a line that is begun: a question, before its answer.
func (s *Screen) Flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := s.line
	s.line = nil
	_, err := s.out.Write(line)
	return err
}

// flush has a question seen before it is answered.
func flush(w io.Writer) {
	if s, ok := w.(*Screen); ok {
		_ = s.Flush()
	}
}

// below is what a screen writes to.
func below(w io.Writer) io.Writer {
	if s, ok := w.(*Screen); ok {
		return s.out
	}
	return w
}

var (
	typed = regexp.MustCompile(`^\s*((Next|see|(to|all|or|with) [a-z ]+):\s+|\$ |or\s+)?` +
		`(officiant(-node|-signer)?|openssl|ssh-keygen|printf|kubeadm|kubectl|crictl|systemctl|sudo) ` +
		`|^ +--\S+( \S+)*$`) // or goes on in this line
	machines = regexp.MustCompile(`^\s*([]{}[|]|"[^"]*": |"[^"]*",?$)`) // JSON, and tables of Markdown
	gaps     = regexp.MustCompile(`\S {2,}`)
)

// foldLine folds one line. Further lines begin below the text, which is behind the
// label that two blanks part from it, if there is one.
func foldLine(line string, width int) string {
	if utf8.RuneCountInString(line) <= width || strings.ContainsRune(line, '\r') || machines.MatchString(line) {
		return line
	}
	indent := len(line) - len(strings.TrimLeft(line, " "))
	for _, gap := range gaps.FindAllStringIndex(line, -1) {
		if gap[1] <= width/2 {
			indent = utf8.RuneCountInString(line[:gap[1]])
		}
	}
	end, begin := "", indent
	if typed.MatchString(line) { // the command itself is not parted from its label
		begin = len(line) - len(strings.TrimLeft(line, " "))
		end, indent = ` \`, begin+4
	}
	first, text := line[:byteOf(line, begin)], line[byteOf(line, begin):]
	lines := foldWords(text, width-utf8.RuneCountInString(first), width-indent, len(end))
	return first + strings.Join(lines, end+"\n"+strings.Repeat(" ", indent))
}

// byteOf is where in a line a column begins.
func byteOf(line string, column int) int {
	for i := range line {
		if column == 0 {
			return i
		}
		column--
	}
	return len(line)
}

// foldWords parts text at spaces: the first line has room for first characters, the
// others for rest; all but the last keep spare ones free. A word that is longer has
// a line of its own. For a command (spare > 0) what is quoted is one word.
func foldWords(text string, first, rest, spare int) []string {
	words := strings.Split(text, " ")
	if spare > 0 {
		words = shellWords(text)
	}
	var lines []string
	line, room := "", first
	for i, word := range words {
		need := utf8.RuneCountInString(line) + 1 + utf8.RuneCountInString(word)
		if i < len(words)-1 {
			need += spare
		}
		switch {
		case i == 0:
			line = word
		case need <= room:
			line += " " + word
		default:
			lines = append(lines, strings.TrimRight(line, " "))
			line, room = word, rest
		}
	}
	return append(lines, line)
}

// shellWords parts a command at the spaces that no quote holds together.
func shellWords(text string) []string {
	var words []string
	var quote rune
	begin := 0
	for i, r := range text {
		switch {
		case quote == 0 && r == ' ':
			words, begin = append(words, text[begin:i]), i+1
		case quote == 0 && (r == '\'' || r == '"'):
			quote = r
		case r == quote:
			quote = 0
		}
	}
	return append(words, text[begin:])
}
