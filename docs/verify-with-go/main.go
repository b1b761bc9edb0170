// Verify an exported Settle log with Go's own transparency-log packages, and nothing of Settle's.
//
//	go run . [-need K -witness VKEY...] FOLDER LOG-VKEY INDEX...
//
// The folder is what `settle ledger export` writes, or a copy of it from any web server: C2SP
// tlog-tiles. The verifier keys come from the operator's trust.json, compared out of band.
package main

import (
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

func main() {
	log.SetFlags(0)
	var witnesses list
	need := flag.Int("need", 0, "how many of the witnesses must have cosigned")
	flag.Var(&witnesses, "witness", "verifier key of a witness (may be given several times)")
	flag.Parse()
	if flag.NArg() < 2 {
		log.Fatal("usage: verify [-need K -witness VKEY...] FOLDER LOG-VKEY INDEX...")
	}
	folder := flag.Arg(0)
	tree, err := openCheckpoint(folder, flag.Arg(1), witnesses, *need)
	check(err)
	fmt.Printf("checkpoint: size %d, root %s\n", tree.N, tree.Hash)

	tiles := &tileFolder{folder}
	hashes := tlog.TileHashReader(tree, tiles)
	for _, word := range flag.Args()[2:] {
		index, err := strconv.ParseInt(word, 10, 64)
		check(err)
		entry, err := tiles.entry(index, tree.N)
		check(err)
		// The proof is made from the tiles and then checked against the signed root, so a false tile proves nothing.
		proof, err := tlog.ProveRecord(tree.N, index, hashes)
		check(err)
		check(tlog.CheckRecord(proof, tree.N, tree.Hash, index, tlog.RecordHash(entry)))
		fmt.Printf("entry %d: %s\n", index, entry)
	}
}

// openCheckpoint checks the log's signature and the witnesses' cosignatures.
func openCheckpoint(folder, vkey string, witnesses []string, need int) (tlog.Tree, error) {
	data, err := os.ReadFile(filepath.Join(folder, "checkpoint"))
	if err != nil {
		return tlog.Tree{}, err
	}
	verifier, err := note.NewVerifier(vkey)
	if err != nil {
		return tlog.Tree{}, err
	}
	signed, err := note.Open(data, note.VerifierList(verifier))
	if err != nil {
		return tlog.Tree{}, err
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) < 4 || lines[0] != verifier.Name() {
		return tlog.Tree{}, errors.New("not a checkpoint of this log")
	}
	size, err := strconv.ParseInt(lines[1], 10, 64)
	if err != nil {
		return tlog.Tree{}, err
	}
	root, err := tlog.ParseHash(lines[2])
	if err != nil {
		return tlog.Tree{}, err
	}
	cosigned := 0
	for _, witness := range witnesses {
		cosigner, err := newCosigner(witness)
		if err != nil {
			return tlog.Tree{}, err
		}
		if _, err := note.Open(data, note.VerifierList(cosigner)); err == nil {
			cosigned++
		}
	}
	if cosigned < need {
		return tlog.Tree{}, fmt.Errorf("%d witnesses cosigned, %d needed", cosigned, need)
	}
	return tlog.Tree{N: size, Hash: root}, nil
}

// A cosigner verifies cosignature/v1 lines (c2sp.org/tlog-cosignature).
type cosigner struct {
	name string
	hash uint32
	key  ed25519.PublicKey
}

func newCosigner(vkey string) (*cosigner, error) {
	parts := strings.SplitN(vkey, "+", 3)
	if len(parts) != 3 {
		return nil, errors.New("malformed verifier key")
	}
	key, err := base64.StdEncoding.DecodeString(parts[2])
	if err != nil || len(key) != 33 || key[0] != 4 {
		return nil, errors.New("not the verifier key of a witness")
	}
	id := sha256.Sum256(append([]byte(parts[0]+"\n"), key...))
	return &cosigner{parts[0], binary.BigEndian.Uint32(id[:]), ed25519.PublicKey(key[1:])}, nil
}

func (c *cosigner) Name() string    { return c.name }
func (c *cosigner) KeyHash() uint32 { return c.hash }
func (c *cosigner) Verify(msg, sig []byte) bool {
	if len(sig) != 72 {
		return false
	}
	header := fmt.Sprintf("cosignature/v1\ntime %d\n", binary.BigEndian.Uint64(sig))
	return ed25519.Verify(c.key, append([]byte(header), msg...), sig[8:])
}

// A tileFolder reads tiles and entry bundles as c2sp.org/tlog-tiles lays them out.
type tileFolder struct{ folder string }

func (t *tileFolder) Height() int                                { return 8 }
func (t *tileFolder) SaveTiles(tiles []tlog.Tile, data [][]byte) {}
func (t *tileFolder) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range tiles {
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1) // the height is always 8 and not written
		data, err := os.ReadFile(filepath.Join(t.folder, path))
		if err != nil {
			return nil, err
		}
		all = append(all, data)
	}
	return all, nil
}

// entry returns the bytes of one entry; they are proven afterwards.
func (t *tileFolder) entry(index, size int64) ([]byte, error) {
	bundle := tlog.Tile{H: 8, L: 0, N: index / 256, W: 256}
	if rest := size - bundle.N*256; rest < 256 {
		bundle.W = int(rest)
	}
	path := strings.Replace(bundle.Path(), "tile/8/0/", "tile/entries/", 1)
	data, err := os.ReadFile(filepath.Join(t.folder, path))
	for n := int64(0); err == nil; n++ {
		if len(data) < 2 || len(data) < 2+int(binary.BigEndian.Uint16(data)) {
			return nil, errors.New("entry bundle ends early")
		}
		length := int(binary.BigEndian.Uint16(data))
		if n == index%256 {
			return data[2 : 2+length], nil
		}
		data = data[2+length:]
	}
	return nil, err
}

type list []string

func (l *list) String() string         { return strings.Join(*l, " ") }
func (l *list) Set(value string) error { *l = append(*l, value); return nil }

func check(err error) {
	if err != nil {
		log.Fatalf("FAILED: %v", err)
	}
}
