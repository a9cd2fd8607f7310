// Package process runs a command for each item, as a group of processes that ends as a whole.
package process

import (
	"path/filepath"
	"strconv"
	"strings"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
)

// Template makes the arguments of a command from an item.
type Template struct {
	Words   []string // the command and its arguments
	Replace string   // the placeholder of the item; "{}" also gives {#}, {/}, {//}, {.} and {/.} a meaning; "": none
	Stdin   bool     // the item goes to standard input, and into no argument
}

const braces = "{}"

// Arguments returns the command and its arguments for the item. If no word has a placeholder the item is
// appended.
func (t Template) Arguments(i items.Item) []string {
	text := string(i.Text)
	args := make([]string, 0, len(t.Words)+1)
	placed := t.Stdin
	for n, word := range t.Words {
		if n > 0 {
			var here bool
			word, here = t.fill(word, text, i.Seq)
			placed = placed || here
		}
		args = append(args, word)
	}
	if !placed {
		args = append(args, text)
	}
	return args
}

// Line returns the command for the item as a shell would read it, in one line.
func (t Template) Line(i items.Item) string {
	var line strings.Builder
	for n, arg := range t.Arguments(i) {
		if n > 0 {
			line.WriteByte(' ')
		}
		line.WriteString(Quote(arg))
	}
	if t.Stdin {
		line.WriteString(" <<<" + Quote(string(i.Text)))
	}
	return line.String()
}

// fill returns the word with its placeholders replaced, and whether one of them was the item's.
func (t Template) fill(word, text string, seq int) (filled string, placed bool) {
	switch {
	case t.Replace == "":
		return word, false
	case t.Replace != braces:
		if t.Stdin {
			return word, false
		}
		return strings.ReplaceAll(word, t.Replace, text), strings.Contains(word, t.Replace)
	}
	var out strings.Builder
	for {
		open := strings.IndexByte(word, '{')
		if open < 0 {
			break
		}
		out.WriteString(word[:open])
		word = word[open:]
		name, value, isItem := placeholder(word, text, seq)
		if name == "" || isItem && t.Stdin {
			out.WriteByte('{')
			word = word[1:]
			continue
		}
		out.WriteString(value)
		word = word[len(name):]
		placed = placed || isItem
	}
	out.WriteString(word)
	return out.String(), placed
}

// placeholder returns the placeholder that s begins with, "" if it begins with none, its value, and whether
// the value is made of the item.
func placeholder(s, text string, seq int) (name, value string, isItem bool) {
	switch {
	case strings.HasPrefix(s, "{}"):
		return "{}", text, true
	case strings.HasPrefix(s, "{#}"):
		return "{#}", strconv.Itoa(seq), false
	case strings.HasPrefix(s, "{/}"):
		return "{/}", filepath.Base(text), true
	case strings.HasPrefix(s, "{//}"):
		return "{//}", filepath.Dir(text), true
	case strings.HasPrefix(s, "{.}"):
		return "{.}", strings.TrimSuffix(text, extension(text)), true
	case strings.HasPrefix(s, "{/.}"):
		base := filepath.Base(text)
		return "{/.}", strings.TrimSuffix(base, extension(base)), true
	}
	return "", "", false
}

// extension is filepath.Ext, but a name that begins with its only dot has none.
func extension(name string) string {
	ext := filepath.Ext(name)
	if ext == filepath.Base(name) {
		return ""
	}
	return ext
}

// Quote returns s as a word of a POSIX shell, in one line. Bytes that would not show are written as bash,
// zsh and ksh read them in $'…'.
func Quote(s string) string {
	plain, printable := s != "", true
	for i := range len(s) {
		c := s[i]
		switch {
		case c < ' ' || c == 0x7f:
			plain, printable = false, false
		case c >= 0x80, 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("_-+=./:,@%^", c) >= 0:
		default:
			plain = false
		}
	}
	switch {
	case plain && s[0] != '=':
		return s
	case printable:
		return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
	}
	var out strings.Builder
	out.WriteString("$'")
	for i := range len(s) {
		switch c := s[i]; {
		case c == '\n':
			out.WriteString(`\n`)
		case c == '\t':
			out.WriteString(`\t`)
		case c == '\r':
			out.WriteString(`\r`)
		case c < ' ' || c == 0x7f:
			out.WriteByte('\\')
			out.WriteString(octal(c))
		case c == '\'' || c == '\\':
			out.WriteByte('\\')
			out.WriteByte(c)
		default:
			out.WriteByte(c)
		}
	}
	out.WriteByte('\'')
	return out.String()
}

func octal(c byte) string {
	return string([]byte{'0' + c>>6, '0' + c>>3&7, '0' + c&7})
}
