package apply

// Denied returns why Route 53 denies this host's changes, where it has accepted none since. It returns nil where Route
// 53 denies only changes that it had denied before it accepted others, as a policy does that allows some names and not
// all, and where it has rejected a batch for its content: permission is judged before the content.
func (w *Writer) Denied() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.permission.Denied()
}
