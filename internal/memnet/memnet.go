// Package memnet is a network in memory, for tests of clients and servers in a synctest bubble. Real sockets do not fit
// into one: a goroutine that waits for a socket is not durably blocked, so the bubble's time would stand still.
package memnet

import (
	"context"
	"net"
	"sync"
)

// Listener is a [net.Listener] that only its own Dial reaches. Make one with [Listen].
type Listener struct {
	name   string
	conns  chan net.Conn
	closed chan struct{}
	once   sync.Once
}

// Listen returns a listener whose address is the name, such as "server.test:80".
func Listen(name string) *Listener {
	return &Listener{name: name, conns: make(chan net.Conn), closed: make(chan struct{})}
}

// Dial returns a connection to the listener, whatever the network and the address, as soon as the listener accepts
// it. It has the form of the DialContext of an [net/http.Transport].
func (l *Listener) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	here, there := net.Pipe()
	select {
	case l.conns <- there:
		return here, nil
	case <-l.closed:
		return nil, net.ErrClosed
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// Accept waits for the next connection.
func (l *Listener) Accept() (net.Conn, error) {
	select {
	case c := <-l.conns:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close makes Accept and Dial return [net.ErrClosed]. Connections stay open.
func (l *Listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

// Addr returns the listener's name as an address.
func (l *Listener) Addr() net.Addr { return &net.UnixAddr{Name: l.name, Net: "memory"} }
