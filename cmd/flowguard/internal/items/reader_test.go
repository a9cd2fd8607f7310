package items

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func newReader(t *testing.T, opts Options, in io.Reader) *Reader {
	t.Helper()
	r, err := NewReader(opts, in)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// ahead returns how many items are read of an input that nobody takes items from.
func ahead(t *testing.T, text string) (count int) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newReader(t, Options{}, strings.NewReader(text))
		go r.Run(t.Context())
		synctest.Wait()
		count, _ = r.Read()
		if _, known := r.Total(); known {
			t.Error("what is read ahead is taken for the total")
		}
		r.Close()
		for range r.Items() { // until the reader has seen that
		}
	})
	return count
}

func TestReadingAheadIsBounded(t *testing.T) {
	if n := ahead(t, strings.Repeat("\n", 3*aheadItems)); n != aheadItems+1 {
		t.Errorf("%d empty lines read ahead, want %d and one in hand", n, aheadItems)
	}
	if n := ahead(t, strings.Repeat(strings.Repeat("x", aheadBytes/4)+"\n", 9)); n != 5 {
		t.Errorf("%d quarters of the room read ahead, want 4 and one in hand", n)
	}
	if n := ahead(t, strings.Repeat(strings.Repeat("x", 2*aheadBytes)+"\n", 9)); n != 2 {
		t.Errorf("%d long lines read ahead, want 1 and one in hand", n)
	}
}

// Items and what ends them are all the bytes there are, in order.
func TestBytes(t *testing.T) {
	for _, text := range []string{"", "\n", "a", "a\nb\n", "a\n\nb", "\x00a\x00\n\xff\r\n", strings.Repeat("x", 200_000) + "\ny"} {
		for _, nul := range []bool{false, true} {
			r := newReader(t, Options{NUL: nul}, iotest.HalfReader(strings.NewReader(text)))
			go r.Run(t.Context())
			var all strings.Builder
			seq := 0
			for i := range r.Items() {
				seq++
				if i.Seq != seq {
					t.Errorf("item %d has the number %d", seq, i.Seq)
				}
				all.Write(i.Text)
				if i.Ended {
					all.WriteByte(r.end())
				}
				i.Forget()
			}
			if all.String() != text {
				t.Errorf("%.50q is read as %.50q", text, all.String())
			}
			if n, known := r.Total(); n != seq || !known {
				t.Errorf("%.50q has %d items, known %v; want %d", text, n, known, seq)
			}
			r.Close()
		}
	}
}

func TestCountAhead(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	a, b, empty, nul := file("a", "1\n2"), file("b", strings.Repeat("x\n", 300_000)), file("empty", ""), file("nul", "a\nb\x00c")
	for _, tt := range []struct {
		opts  Options
		want  int
		known bool
	}{
		{Options{Files: []string{a, b, empty}}, 300_002, true},
		{Options{Files: []string{nul}}, 2, true},
		{Options{Files: []string{nul}, NUL: true}, 2, true},
		{Options{Files: []string{empty}}, 0, false}, // until it is read
		{Options{Files: []string{a, "-"}}, 0, false},
		{Options{}, 0, false},
		{Options{Files: []string{a, "/dev/null"}}, 0, false},
	} {
		r := newReader(t, tt.opts, strings.NewReader(""))
		r.CountAhead(t.Context())
		if n, known := r.Total(); n != tt.want || known != tt.known {
			t.Errorf("%+v: %d, known %v; want %d, %v", tt.opts, n, known, tt.want, tt.known)
		}
		r.Close()
	}
}

func TestWhereItemsStand(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("a\nb\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newReader(t, Options{Files: []string{"-", name}}, strings.NewReader("x\ny\n"))
	defer r.Close()
	go r.Run(t.Context())
	var all []string
	for i := range r.Items() {
		all = append(all, i.String())
		i.Forget()
	}
	if got, want := strings.Join(all, "; "), "line 1; line 2; "+name+", line 1; "+name+", line 2"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
}

func TestCheck(t *testing.T) {
	dir := t.TempDir()
	if err := Check([]string{"-", filepath.Join(dir, "none")}); err == nil || !strings.HasSuffix(err.Error(), "none: no such file or directory") {
		t.Error(err)
	}
	if err := Check([]string{dir}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Error(err)
	}
}

// A reader that is stopped leaves its channel open: that was not the end of the input.
func TestStoppedReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		r := newReader(t, Options{}, strings.NewReader(strings.Repeat("\n", 2*aheadItems)))
		defer r.Close()
		ended := make(chan struct{})
		go func() { r.Run(ctx); close(ended) }()
		synctest.Wait()
		cancel()
		<-ended
		for range aheadItems {
			<-r.Items()
		}
		select {
		case _, ok := <-r.Items():
			t.Errorf("there is another item, or an end: %v", ok)
		default:
		}
	})
}
