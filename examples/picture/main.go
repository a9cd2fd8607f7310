// Picture draws what a scheduler does, in simulated time and so the same every time:
//
//	go run ./examples/picture                        # writes two pictures and says where
//	go run ./examples/picture -o docs                # makes those of the documentation anew
//
// What to look for in timeline.svg: a batch job fills the line, but a web tenant with three times its share
// still gets permits. At 4s the server answers 429, and all wait for two seconds. From then on 20/10s is full,
// which is the limit to raise. An importer gives up, and just before 9s the line is full and one ticket is
// refused. Then the server allows more.
//
// timeline-large.svg shows 200,000 tickets of twelve tenants over two hours.
package main

import (
	"bytes"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
)

func main() {
	folder := flag.String("o", os.TempDir(), "the folder to write to")
	flag.Parse()
	for _, scene := range scenes {
		svg, err := scene.draw()
		if err != nil {
			log.Fatal(err)
		}
		file := filepath.Join(*folder, scene.file)
		if err := os.WriteFile(file, svg, 0o644); err != nil {
			log.Fatal(err)
		}
		fmt.Println("wrote", file)
	}
	fmt.Println("Look for: in timeline.svg the web tenant overtakes the batch job; all wait for 2 s from 4s on, after a 429.")
}

// scene is a run that is drawn.
type scene struct {
	file string
	play func() (*run, error)
}

var scenes = []scene{
	{"timeline.svg", small},
	{"timeline-large.svg", large},
}

func (s scene) draw() ([]byte, error) {
	r, err := s.play()
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = r.timeline().SVG(&b)
	return b.Bytes(), err
}
