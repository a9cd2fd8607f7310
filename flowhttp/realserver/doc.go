// Package realserver tries flowhttp's server side with routers, websockets and clients that were written
// elsewhere. It has only tests, and is a module of its own so that none of them comes with the library.
package realserver
