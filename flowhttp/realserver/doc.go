// Package realserver tests flowhttp's server side with routers, websockets and clients that others wrote. It
// has only tests. It is a module of its own so that the library does not depend on them.
package realserver
