// Prints the endpoint of each trace id, by the ring of the exporter whose file is beside this one.
//
// Arguments are the endpoints, lines of the standard input are trace ids in hex.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"sort"
)

func main() {
	endpoints := os.Args[1:]
	// As the exporter's resolvers do.
	sort.Strings(endpoints)
	ring := newHashRing(endpoints)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		id, err := hex.DecodeString(lines.Text())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(ring.endpointFor(id))
	}
}
