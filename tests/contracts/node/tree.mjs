// Reads lists of rows from stdin; answers with root and every proof as @openzeppelin/merkle-tree makes them.
import { StandardMerkleTree } from "@openzeppelin/merkle-tree";
import { readFileSync } from "node:fs";

const encoding = ["uint256", "address", "bytes32", "address", "uint256"];
const { build, load, verify } = JSON.parse(readFileSync(0, "utf8"));
const answer = {};
if (build) {
  answer.built = build.map((rows) => {
    const tree = StandardMerkleTree.of(rows, encoding);
    return { root: tree.root, proofs: rows.map((_, n) => tree.getProof(n)), dump: tree.dump() };
  });
}
if (load) {
  const tree = StandardMerkleTree.load(load);
  tree.validate();
  answer.loaded = tree.root;
}
if (verify) {
  answer.verified = verify.map((c) => StandardMerkleTree.verify(c.root, c.leaf_encoding, c.leaf, c.proof));
}
process.stdout.write(JSON.stringify(answer));
