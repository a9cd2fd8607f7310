package flowhttp

// Gates returns how many gates there are.
func (t *Transport) Gates() int {
	t.gates.mu.Lock()
	defer t.gates.mu.Unlock()
	return len(t.gates.of)
}
