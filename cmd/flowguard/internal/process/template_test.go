package process

import (
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/flowguard-go/flowguard/cmd/flowguard/internal/items"
)

func TestArguments(t *testing.T) {
	for _, tt := range []struct {
		words   string
		replace string
		stdin   bool
		want    string
	}{
		{"cmd", "{}", false, "cmd|d/a b.txt"},
		{"cmd -x", "{}", false, "cmd|-x|d/a b.txt"},
		{"cmd {} -x", "{}", false, "cmd|d/a b.txt|-x"},
		{"cmd {}.in {}.out", "{}", false, "cmd|d/a b.txt.in|d/a b.txt.out"},
		{"{} -x", "{}", false, "{}|-x|d/a b.txt"}, // never the program
		{"cmd {.}.png {/} {//} {/.}", "{}", false, "cmd|d/a b.png|a b.txt|d|a b"},
		{"cmd {#}", "{}", false, "cmd|7|d/a b.txt"}, // a number is not the item
		{"cmd {x} {{}} {", "{}", false, "cmd|{x}|{d/a b.txt}|{"},
		{"cmd {} % %%", "%", false, "cmd|{}|d/a b.txt|d/a b.txtd/a b.txt"},
		{"cmd {}", "", false, "cmd|{}|d/a b.txt"},
		{"cmd {} {#}", "{}", true, "cmd|{}|7"},
		{"cmd %", "%", true, "cmd|%"},
	} {
		template := Template{Words: strings.Fields(tt.words), Replace: tt.replace, Stdin: tt.stdin}
		if got := strings.Join(template.Arguments(items.Item{Text: []byte("d/a b.txt"), Seq: 7}), "|"); got != tt.want {
			t.Errorf("%s, replacing %q: %s, want %s", tt.words, tt.replace, got, tt.want)
		}
	}
}

// What an item says is never read for placeholders.
func TestItemWithPlaceholders(t *testing.T) {
	template := Template{Words: []string{"cmd", "{}", "{//}"}, Replace: "{}"}
	if got := strings.Join(template.Arguments(items.Item{Text: []byte("{#}/{}")}), "|"); got != "cmd|{#}/{}|{#}" {
		t.Error(got)
	}
}

func TestExtension(t *testing.T) {
	for name, want := range map[string]string{"a.b.c": ".c", ".bashrc": "", "d.x/a": "", "d/.bashrc": "", "a": "", "": ""} {
		if got := extension(name); got != want {
			t.Errorf("%q has the extension %q, want %q", name, got, want)
		}
	}
}

// A shell reads what Quote writes as the same bytes, and it is one line.
func TestQuoteAsBashReadsIt(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("no bash")
	}
	r := rand.New(rand.NewPCG(1, 1))
	var words, quoted []string
	for n := range 500 {
		b := make([]byte, r.IntN(12))
		for i := range b {
			b[i] = byte(1 + r.IntN(255))
			if n%2 == 0 {
				const odd = "ab '\"\\$`!\n\t\x1b0={}~*?#&;|<>()[]é"
				b[i] = odd[r.IntN(len(odd))]
			}
		}
		words = append(words, string(b))
		q := Quote(string(b))
		if strings.ContainsAny(q, "\n\t") {
			t.Fatalf("%q is quoted as %q", b, q)
		}
		quoted = append(quoted, q)
	}
	out, err := exec.Command(bash, "-c", `printf '%s\0' `+strings.Join(quoted, " ")).Output()
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00") {
		if got != words[i] {
			t.Errorf("%q, quoted as %s, is read as %q", words[i], quoted[i], got)
		}
	}
}
