package engine

func brokenPipe(error) bool { return false } // a note ends the program
