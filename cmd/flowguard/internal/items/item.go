// Package items reads what a run is to work on: the lines of files, or items that end with a NUL byte.
package items

import (
	"fmt"

	"github.com/flowguard-go/flowguard/ticket"
)

// Item is one line of the input, byte for byte.
type Item struct {
	Text  []byte // without what ends it
	Ended bool   // false only for a last line without a newline
	Seq   int    // in the whole input, from 1

	file   string // empty for standard input
	number int    // in its file, from 1
	noun   string
	room   ticket.Ticket // for its bytes in memory
}

// String says where the item comes from, such as "urls.txt, line 3".
func (i Item) String() string {
	if i.file == "" {
		return fmt.Sprintf("%s %d", i.noun, i.number)
	}
	return fmt.Sprintf("%s, %s %d", i.file, i.noun, i.number)
}

// Forget gives back the item's room among those that are read ahead. Calling it again does nothing.
func (i Item) Forget() { i.room.Release() }
