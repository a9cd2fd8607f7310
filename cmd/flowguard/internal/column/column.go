// Package column finds columns in lines.
package column

import "bytes"

// From returns the line from column n on, counted from 1, or false if the line has fewer columns. The delimiter
// separates columns; "" means any number of spaces and tabs.
func From(line []byte, n int, delimiter string) ([]byte, bool) {
	for range n - 1 {
		if delimiter != "" {
			_, rest, ok := bytes.Cut(line, []byte(delimiter))
			if !ok {
				return nil, false
			}
			line = rest
			continue
		}
		line = bytes.TrimLeft(line, " \t")
		end := bytes.IndexAny(line, " \t")
		if end < 0 {
			return nil, false
		}
		line = line[end:]
	}
	return bytes.TrimLeft(line, " \t"), true
}

// Of returns column n alone.
func Of(line []byte, n int, delimiter string) ([]byte, bool) {
	line, ok := From(line, n, delimiter)
	if !ok {
		return nil, false
	}
	if delimiter != "" {
		line, _, _ = bytes.Cut(line, []byte(delimiter))
		return bytes.Trim(line, " \t"), true
	}
	if end := bytes.IndexAny(line, " \t"); end >= 0 {
		line = line[:end]
	}
	return line, true
}
