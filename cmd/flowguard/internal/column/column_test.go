package column

import "testing"

func TestColumns(t *testing.T) {
	for _, tt := range []struct {
		line      string
		n         int
		delimiter string
		from, of  string
		ok        bool
	}{
		{"a  b\tc", 1, "", "a  b\tc", "a", true},
		{"  a  b\tc", 2, "", "b\tc", "b", true},
		{"a  b\tc", 3, "", "c", "c", true},
		{"a  b\tc", 4, "", "", "", false},
		{"a,, b ,c", 2, ",", ", b ,c", "", true},
		{"a,, b ,c", 3, ",", "b ,c", "b", true},
		{"a,, b ,c", 5, ",", "", "", false},
		{"a::b", 2, "::", "b", "b", true},
		{"", 1, "", "", "", true},
	} {
		from, ok := From([]byte(tt.line), tt.n, tt.delimiter)
		of, ok2 := Of([]byte(tt.line), tt.n, tt.delimiter)
		if string(from) != tt.from || string(of) != tt.of || ok != tt.ok || ok2 != tt.ok {
			t.Errorf("column %d of %q by %q: %q %v, %q %v; want %q, %q, %v", tt.n, tt.line, tt.delimiter, from, ok, of, ok2, tt.from, tt.of, tt.ok)
		}
	}
}
