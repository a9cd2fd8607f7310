package timeline

import (
	"fmt"
	"time"

	"github.com/flowguard-go/flowguard/scheduler"
)

// Option changes how [Timeline.SVG] draws.
type Option interface{ apply(*settings) error }

// settings are what options change.
type settings struct {
	title    string
	width    int
	from, to time.Time // zero: the whole run
	marks    []mark
	scheme   Colors
}

// mark is a stretch of time to point at.
type mark struct {
	from, to time.Time
	text     string
}

// Sizes of pictures, in pixels.
const (
	defaultWidth = 960
	minWidth     = 480
	maxWidth     = 4_000
)

func newSettings(opts []Option) (settings, error) {
	s := settings{width: defaultWidth}
	for _, opt := range opts {
		if opt == nil {
			return s, invalid("an Option of SVG", nil, "made by one of the functions of package timeline")
		}
		if err := opt.apply(&s); err != nil {
			return s, err
		}
	}
	return s, nil
}

func invalid(what string, got any, want string) error {
	return &scheduler.InvalidError{What: what, Got: got, Want: want}
}

type optionFunc func(*settings) error

func (f optionFunc) apply(s *settings) error { return f(s) }

// Title sets the title of the picture. The default is the limits.
func Title(text string) Option {
	return optionFunc(func(s *settings) error {
		s.title = text
		return nil
	})
}

// Width sets the width of the picture in pixels, from 480 to 4,000. The default is 960. The text keeps its
// size, so a wider picture shows more detail.
func Width(pixels int) Option {
	return optionFunc(func(s *settings) error {
		if pixels < minWidth || pixels > maxWidth {
			return invalid("the pixels of timeline.Width", pixels, fmt.Sprintf("from %d to %d", minWidth, maxWidth))
		}
		s.width = pixels
		return nil
	})
}

// Between shows only the run from one instant to a later one. Earlier grants still fill the windows.
func Between(from, to time.Time) Option {
	return optionFunc(func(s *settings) error {
		if !to.After(from) {
			return invalid("the end of timeline.Between", to, "after "+from.String())
		}
		s.from, s.to = from, to
		return nil
	})
}

// Mark marks an interval with a red band and a text. It may be given several times. from and to may be the same
// instant.
func Mark(from, to time.Time, text string) Option {
	return optionFunc(func(s *settings) error {
		if to.Before(from) {
			return invalid("the end of timeline.Mark", to, "not before "+from.String())
		}
		s.marks = append(s.marks, mark{from, to, text})
		return nil
	})
}

// Colors is an [Option] that chooses the colors of a picture.
type Colors uint8

const (
	// Auto is light, or dark if the viewer prefers a dark scheme and supports CSS. This is the default.
	Auto Colors = iota

	// Light is always light.
	Light

	// Dark is always dark, also in programs without CSS, such as those for slides.
	Dark
)

// String returns "auto", "light" or "dark".
func (c Colors) String() string {
	switch c {
	case Auto:
		return "auto"
	case Light:
		return "light"
	case Dark:
		return "dark"
	}
	return fmt.Sprintf("Colors(%d)", uint8(c))
}

func (c Colors) apply(s *settings) error {
	if c > Dark {
		return invalid("timeline.Colors", c, "Auto, Light or Dark")
	}
	s.scheme = c
	return nil
}
