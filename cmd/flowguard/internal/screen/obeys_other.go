//go:build !windows

package screen

// obeys reports whether the terminal obeys escape sequences.
func obeys(any) bool { return true }
