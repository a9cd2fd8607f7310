package engine

import (
	"net"
	"time"
)

// SlowLine passes connections on to a server and makes each byte take a while, in both directions.
type SlowLine struct {
	Addr string

	listener net.Listener
}

// NewSlowLine returns a line to addr on which each byte takes the given time. It accepts connections until Close.
func NewSlowLine(addr string, delay time.Duration) (*SlowLine, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	go func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := net.Dial("tcp", addr)
			if err != nil {
				near.Close()
				continue
			}
			go carry(near, far, delay)
			go carry(far, near, delay)
		}
	}()
	return &SlowLine{Addr: l.Addr().String(), listener: l}, nil
}

// Close takes no more connections. Those that there are end with their ends.
func (s *SlowLine) Close() { s.listener.Close() }

// carry brings what it reads to the other side, later.
func carry(from, to net.Conn, delay time.Duration) {
	type parcel struct {
		data []byte
		due  time.Time
	}
	parcels := make(chan parcel, 4096)
	go func() {
		defer to.Close()
		for p := range parcels {
			time.Sleep(time.Until(p.due))
			if _, err := to.Write(p.data); err != nil {
				from.Close()
			}
		}
	}()
	defer close(parcels)
	for {
		buffer := make([]byte, 16_384)
		n, err := from.Read(buffer)
		if n > 0 {
			parcels <- parcel{buffer[:n], time.Now().Add(delay)}
		}
		if err != nil {
			return
		}
	}
}
