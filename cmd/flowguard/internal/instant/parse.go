// Package instant finds and reads the instants in the lines of a log.
package instant

import (
	"time"
)

// Instant is an instant as a log wrote it.
type Instant struct {
	At         int64         // Unix time in nanoseconds
	Resolution time.Duration // what it was written to: a second, a millisecond, …
}

// Unit says what a bare number counts since 1970.
type Unit int

// UnitAuto takes a number below 1e11 for seconds, below 1e14 for milliseconds, below 1e17 for
// microseconds, and others for nanoseconds. So each instant from 1973 to 5138 is read as it was meant.
const (
	UnitAuto Unit = iota
	UnitSeconds
	UnitMilliseconds
	UnitMicroseconds
	UnitNanoseconds
)

var units = [...]string{"auto", "s", "ms", "us", "ns"}

// String returns the unit as [Unit.Set] reads it.
func (u Unit) String() string { return units[u] }

// length returns the unit's length in nanoseconds.
func (u Unit) length() int64 {
	return [...]int64{0, 1e9, 1e6, 1e3, 1}[u]
}

// date reads the date that b begins with:
//
//	2026-01-02T15:04:05Z             RFC 3339; also with a fraction, +01:00, +0100
//	2026-01-02 15:04:05,123          with a space, and a comma before the fraction; without a zone it is UTC
//	2026/01/02 15:04:05              as Go's package log and nginx's error log write it
//	02/Jan/2026:15:04:05 +0100       as Apache's and nginx's access logs do
func date(b []byte) (i Instant, length int, ok bool) {
	if len(b) < 19 {
		return i, 0, false
	}
	var year, month, day int
	n := 0
	switch {
	case b[4] == '-' && b[7] == '-' && (b[10] == 'T' || b[10] == ' ' || b[10] == 't'),
		b[4] == '/' && b[7] == '/' && b[10] == ' ':
		year, month, day = digits(b[:4]), digits(b[5:7]), digits(b[8:10])
		n = 11
	case b[2] == '/' && b[6] == '/' && len(b) >= 20 && b[11] == ':':
		year, month, day = digits(b[7:11]), monthOf(b[3:6]), digits(b[:2])
		n = 12
	default:
		return i, 0, false
	}
	hour, minute, second := digits(b[n:n+2]), digits(b[n+3:n+5]), digits(b[n+6:n+8])
	if b[n+2] != ':' || b[n+5] != ':' || year < 0 || month < 1 || month > 12 || day < 1 || day > daysIn(year, month) ||
		hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 { // 60: a leap second
		return i, 0, false
	}
	n += 8
	i.Resolution = time.Second
	i.At = (daysSince1970(year, month, day)*86400 + int64(hour*3600+minute*60+second)) * 1e9
	if n+1 < len(b) && (b[n] == '.' || b[n] == ',') && isDigit(b[n+1]) {
		var ns int64
		ns, i.Resolution, length = fraction(b[n+1:], 1e9)
		i.At += ns
		n += 1 + length
	}
	offset, length := zone(b[n:])
	i.At -= int64(offset) * 1e9
	return i, n + length, year >= 1678 && year <= 2261 // what fits into 64 bits of nanoseconds
}

// zone reads Z, +01:00 or +0100, with a space before it or none. Anything else is UTC.
func zone(b []byte) (seconds, length int) {
	n := 0
	if len(b) > 1 && b[0] == ' ' && (b[1] == '+' || b[1] == '-') {
		n = 1
	}
	if n < len(b) && (b[n] == 'Z' || b[n] == 'z') {
		return 0, n + 1
	}
	if len(b) < n+5 || b[n] != '+' && b[n] != '-' {
		return 0, 0
	}
	sign := 1
	if b[n] == '-' {
		sign = -1
	}
	hour := digits(b[n+1 : n+3])
	minutes, end := b[n+3:], n+5
	if minutes[0] == ':' {
		minutes, end = minutes[1:], n+6
	}
	if len(minutes) < 2 {
		return 0, 0
	}
	minute := digits(minutes[:2])
	if hour < 0 || hour > 23 || minute < 0 || minute > 59 {
		return 0, 0
	}
	return sign * (hour*3600 + minute*60), end
}

// fraction reads the digits after a point, of a unit of the given length, as nanoseconds. Digits beyond
// a nanosecond are cut off.
func fraction(b []byte, unit int64) (ns int64, resolution time.Duration, length int) {
	for length < len(b) && isDigit(b[length]) {
		if unit >= 10 {
			unit /= 10
			ns += int64(b[length]-'0') * unit
		}
		length++
	}
	return ns, time.Duration(unit), length
}

// number reads the number that b begins with as Unix time: digits, and perhaps a fraction. The text after it
// must not make it a part of a word, such as of an IP address.
func number(b []byte, unit Unit) (i Instant, length int, ok bool) {
	n := 0
	negative := len(b) > 0 && b[0] == '-'
	if negative {
		n++
	}
	var v int64
	begin := n
	for n < len(b) && isDigit(b[n]) {
		if n-begin > 18 {
			return i, 0, false
		}
		v = v*10 + int64(b[n]-'0')
		n++
	}
	if n == begin {
		return i, 0, false
	}
	if unit == UnitAuto {
		switch {
		case v < 1e11:
			unit = UnitSeconds
		case v < 1e14:
			unit = UnitMilliseconds
		case v < 1e17:
			unit = UnitMicroseconds
		default:
			unit = UnitNanoseconds
		}
	}
	size := unit.length()
	if v > (1<<63-1)/size-1 {
		return i, 0, false
	}
	i.At, i.Resolution = v*size, time.Duration(size)
	if n+1 < len(b) && b[n] == '.' && isDigit(b[n+1]) {
		ns, resolution, length := fraction(b[n+1:], size)
		i.At, i.Resolution = i.At+ns, resolution
		n += 1 + length
	}
	if negative {
		i.At = -i.At
	}
	if n < len(b) && !endsNumber(b[n]) {
		return i, 0, false
	}
	return i, n, true
}

func endsNumber(c byte) bool {
	switch c {
	case ' ', '\t', ',', ';', '|', '"', '\'', ']', ')', '}', '\r', '\n':
		return true
	}
	return false
}

// read reads the date or number that b begins with.
func read(b []byte, unit Unit) (Instant, bool) {
	for len(b) > 0 && isOpening(b[0]) {
		b = b[1:]
	}
	if i, _, ok := date(b); ok {
		return i, true
	}
	i, _, ok := number(b, unit)
	return i, ok
}

func isOpening(c byte) bool {
	return c == '[' || c == '"' || c == '\'' || c == '(' || c == ' ' || c == '\t'
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// digits returns the number that all of b is, or -1.
func digits(b []byte) int {
	n := 0
	for _, c := range b {
		if !isDigit(c) {
			return -1
		}
		n = n*10 + int(c-'0')
	}
	return n
}

func monthOf(b []byte) int {
	const names = "JanFebMarAprMayJunJulAugSepOctNovDec"
	for m := 0; m < 12; m++ {
		if string(b) == names[3*m:3*m+3] {
			return m + 1
		}
	}
	return 0
}

func daysIn(year, month int) int {
	switch month {
	case 2:
		if year%4 == 0 && (year%100 != 0 || year%400 == 0) {
			return 29
		}
		return 28
	case 4, 6, 9, 11:
		return 30
	}
	return 31
}

// daysSince1970 counts days in the Gregorian calendar: years that begin in March have their leap day
// at the end, so that a month's first day is a linear function of the month.
func daysSince1970(year, month, day int) int64 {
	y, m := int64(year), int64(month)
	if m <= 2 {
		y--
		m += 12
	}
	return 365*y + y/4 - y/100 + y/400 + (153*(m-3)+2)/5 + int64(day) - 719469
}
