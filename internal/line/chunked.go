package line

// chunkSize is how many elements are in a chunk: the most that one operation ever copies.
const chunkSize = 1024

// chunked is a list that grows and shrinks at its end, a chunk at a time. A slice would copy all its
// elements when it grows, and would have to again to give memory back; with a million flows that is a
// stall of milliseconds.
type chunked[T any] struct {
	chunks [][]T // all full up to the one with the last element; then at most one empty spare
	length int
}

func (c *chunked[T]) at(i int) T     { return c.chunks[i/chunkSize][i%chunkSize] }
func (c *chunked[T]) set(i int, v T) { c.chunks[i/chunkSize][i%chunkSize] = v }

func (c *chunked[T]) push(v T) {
	k := c.length / chunkSize
	if k == len(c.chunks) {
		var chunk []T
		if k > 0 { // else a few elements need little memory
			chunk = make([]T, 0, chunkSize)
		}
		c.chunks = append(c.chunks, chunk)
	}
	c.chunks[k] = append(c.chunks[k], v)
	c.length++
}

// pop removes the last element.
func (c *chunked[T]) pop() {
	c.length--
	k, i := c.length/chunkSize, c.length%chunkSize
	clear(c.chunks[k][i:])
	c.chunks[k] = c.chunks[k][:i]
	// The chunk that has become empty stays, so that a length that goes up and down by one does not
	// allocate each time. The one behind it can go.
	if i == 0 && k+1 < len(c.chunks) {
		c.chunks[k+1] = nil
		c.chunks = c.chunks[:k+1]
	}
}
