package guest
func runCmd(w *winRun, args string) int { return 1 }
func runPowerShell(w *winRun, args string) int { return 1 }
func (w *winRun) batch(text, path, args string) int { return 1 }
