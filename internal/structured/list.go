// Package structured parses Structured Field Values for HTTP (RFC 9651). It parses Lists, because the header
// fields of rate limits are Lists.
package structured

import (
	"encoding/base64"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Item is a member of a List. Its Value is an int64, a float64 (Decimal), a string, a Token, a []byte, a bool,
// a Date, a Display or, for an Inner List, a []Item.
type Item struct {
	Value  any
	Params []Param
}

// Param is a parameter of an Item.
type Param struct {
	Key   string
	Value any // as that of an Item, but no Inner List
}

type (
	Token   string // a Token
	Date    int64  // a Date: seconds since 1970
	Display string // a Display String
)

// Param returns the value of the parameter with the key, or nil if the item has none.
func (i *Item) Param(key string) any {
	for _, p := range i.Params {
		if p.Key == key {
			return p.Value
		}
	}
	return nil
}

// Count returns the parameter with the key if it is an Integer of 0 or more.
func (i *Item) Count(key string) (n int64, ok bool) {
	n, ok = i.Param(key).(int64)
	return n, ok && n >= 0
}

// ParseList parses the lines of a field as a List. It returns false if anything is malformed: a field is taken
// as a whole or not at all, as the RFC demands. An empty field is an empty List.
func ParseList(lines []string) (items []Item, ok bool) {
	s := &scanner{rest: strings.Join(lines, ", ")}
	s.skip(" ")
	for s.rest != "" {
		i, ok := s.member()
		if !ok {
			return nil, false
		}
		items = append(items, i)
		s.skip(" \t")
		if s.rest == "" {
			break
		}
		if !s.take(',') {
			return nil, false
		}
		s.skip(" \t")
		if s.rest == "" {
			return nil, false
		}
	}
	return items, true
}

// scanner parses from the front of what is left. Each of its methods follows the algorithm of the same
// name in section 4.2 of the RFC.
type scanner struct{ rest string }

// next returns the first byte, or 0 at the end, where no rule accepts it.
func (s *scanner) next() byte {
	if s.rest == "" {
		return 0
	}
	return s.rest[0]
}

func (s *scanner) take(b byte) bool {
	if s.next() != b || s.rest == "" {
		return false
	}
	s.rest = s.rest[1:]
	return true
}

func (s *scanner) skip(cut string) { s.rest = strings.TrimLeft(s.rest, cut) }

// run takes the longest prefix of bytes that the function accepts.
func (s *scanner) run(accepts func(byte) bool) string {
	n := 0
	for n < len(s.rest) && accepts(s.rest[n]) {
		n++
	}
	taken := s.rest[:n]
	s.rest = s.rest[n:]
	return taken
}

// member parses an Item or an Inner List, with its parameters.
func (s *scanner) member() (i Item, ok bool) {
	if s.next() == '(' {
		i.Value, ok = s.innerList()
	} else {
		i.Value, ok = s.bareItem()
	}
	if !ok {
		return i, false
	}
	i.Params, ok = s.parameters()
	return i, ok
}

func (s *scanner) innerList() (items []Item, ok bool) {
	s.take('(')
	for {
		s.skip(" ")
		if s.take(')') {
			return items, true
		}
		var i Item
		if i.Value, ok = s.bareItem(); !ok {
			return nil, false
		}
		if i.Params, ok = s.parameters(); !ok {
			return nil, false
		}
		items = append(items, i)
		if c := s.next(); c != ' ' && c != ')' {
			return nil, false
		}
	}
}

func (s *scanner) parameters() (params []Param, ok bool) {
	for s.take(';') {
		s.skip(" ")
		p := Param{Value: true}
		if p.Key, ok = s.key(); !ok {
			return nil, false
		}
		if s.take('=') {
			if p.Value, ok = s.bareItem(); !ok {
				return nil, false
			}
		}
		params = set(params, p)
	}
	return params, true
}

// set adds a parameter, or replaces the value of the one with its key: the last one counts.
func set(params []Param, p Param) []Param {
	for i := range params {
		if params[i].Key == p.Key {
			params[i].Value = p.Value
			return params
		}
	}
	return append(params, p)
}

func (s *scanner) key() (string, bool) {
	if c := s.next(); !isLower(c) && c != '*' {
		return "", false
	}
	return s.run(func(c byte) bool {
		return isLower(c) || isDigit(c) || c == '_' || c == '-' || c == '.' || c == '*'
	}), true
}

func (s *scanner) bareItem() (any, bool) {
	switch c := s.next(); {
	case c == '-' || isDigit(c):
		return s.number()
	case c == '"':
		return s.quoted()
	case c == '*' || isAlpha(c):
		return Token(s.run(isTokenByte)), true
	case c == ':':
		return s.byteSequence()
	case c == '?':
		return s.boolean()
	case c == '@':
		return s.date()
	case c == '%':
		return s.displayString()
	}
	return nil, false
}

// number parses an Integer of up to 15 digits, or a Decimal of up to 12 and 3.
func (s *scanner) number() (any, bool) {
	sign := ""
	if s.take('-') {
		sign = "-"
	}
	whole := s.run(isDigit)
	if whole == "" {
		return nil, false
	}
	if !s.take('.') {
		if len(whole) > 15 {
			return nil, false
		}
		n, err := strconv.ParseInt(sign+whole, 10, 64)
		return n, err == nil
	}
	fraction := s.run(isDigit)
	if len(whole) > 12 || fraction == "" || len(fraction) > 3 {
		return nil, false
	}
	f, err := strconv.ParseFloat(sign+whole+"."+fraction, 64)
	return f, err == nil
}

// quoted parses a String.
func (s *scanner) quoted() (any, bool) {
	s.take('"')
	var b strings.Builder
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return b.String(), true
		case c == '\\':
			c = s.next()
			if c != '"' && c != '\\' {
				return nil, false
			}
			s.rest = s.rest[1:]
		case c < 0x20 || c > 0x7e:
			return nil, false
		}
		b.WriteByte(c)
	}
	return nil, false
}

// byteSequence parses a Byte Sequence. Padding may be missing, as the RFC advises.
func (s *scanner) byteSequence() (any, bool) {
	s.take(':')
	text, rest, found := strings.Cut(s.rest, ":")
	if !found || strings.ContainsAny(text, "\r\n") { // which base64 would skip
		return nil, false
	}
	s.rest = rest
	encoding := base64.StdEncoding
	if len(text)%4 != 0 {
		encoding = base64.RawStdEncoding
	}
	b, err := encoding.DecodeString(text)
	return b, err == nil
}

func (s *scanner) boolean() (any, bool) {
	s.take('?')
	if s.take('1') {
		return true, true
	}
	return false, s.take('0')
}

func (s *scanner) date() (any, bool) {
	s.take('@')
	if c := s.next(); c != '-' && !isDigit(c) {
		return nil, false
	}
	v, _ := s.number()
	n, ok := v.(int64)
	return Date(n), ok
}

func (s *scanner) displayString() (any, bool) {
	s.take('%')
	if !s.take('"') {
		return nil, false
	}
	var b strings.Builder
	for s.rest != "" {
		c := s.rest[0]
		s.rest = s.rest[1:]
		switch {
		case c == '"':
			return Display(b.String()), utf8.ValidString(b.String())
		case c == '%':
			if len(s.rest) < 2 || !isLowerHex(s.rest[0]) || !isLowerHex(s.rest[1]) {
				return nil, false
			}
			n, _ := strconv.ParseUint(s.rest[:2], 16, 8)
			s.rest = s.rest[2:]
			c = byte(n)
		case c < 0x20 || c > 0x7e:
			return nil, false
		}
		b.WriteByte(c)
	}
	return nil, false
}

func isDigit(c byte) bool    { return '0' <= c && c <= '9' }
func isLower(c byte) bool    { return 'a' <= c && c <= 'z' }
func isAlpha(c byte) bool    { return isLower(c | 0x20) }
func isLowerHex(c byte) bool { return isDigit(c) || 'a' <= c && c <= 'f' }

func isTokenByte(c byte) bool {
	return isAlpha(c) || isDigit(c) || c != 0 && strings.IndexByte("!#$%&'*+-.^_`|~:/", c) >= 0
}
