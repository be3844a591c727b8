//! The files that the servers serve: one table's rows as one file, as twenty, and compressed.

use std::fs;
use std::io::Write;
use std::path::Path;

/// How many rows the table has.
pub(crate) const ROWS: u64 = 24_000;

/// How many files hold the same rows in parts.
pub(crate) const PARTS: u64 = 20;

/// The columns of the table.
pub(crate) const COLUMNS: &str =
    "id INT PRIMARY KEY, name STRING, n INT, x DECIMAL(12,3), INDEX (n)";

/// The endings of compressed files.
pub(crate) const COMPRESSED: &[&str] = &["gz", "bz2", "zst", "xz"];

/// Returns the rows, out of key order, so that an import uses every stage.
pub(crate) fn rows() -> String {
    let mut text = String::new();
    for row in 0..ROWS {
        // A prime step visits every key once, far from in order.
        let key = row * 7919 % ROWS;
        let hash = (key + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let name =
            if key % 100 == 7 { format!("\"line\none, {hash:x}\"") } else { format!("{hash:x}") };
        text += &format!("{key},{name},{},{}.{:03}\n", key % 97, hash % 100_000, hash % 1000);
    }
    text
}

/// Returns rows of the same columns that are so long that a file of few of them is fetched in parts.
pub(crate) fn wide_rows() -> String {
    let mut text = String::new();
    for row in 0..WIDE_ROWS {
        let key = row * 7919 % WIDE_ROWS;
        text += &format!("{key},");
        let mut hash = key + 1;
        for _ in 0..128 {
            hash = hash.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(23) ^ key;
            text += &format!("{hash:016x}");
        }
        text += &format!(",{},{}.5\n", key % 97, key % 1000);
    }
    text
}

/// How many rows [`wide_rows`] has.
const WIDE_ROWS: u64 = 4_600;

/// Writes all files into a directory.
pub(crate) fn write(directory: &Path) {
    let rows = rows();
    let put = |name: &str, content: &[u8]| {
        let path = directory.join(name);
        fs::create_dir_all(path.parent().expect("a directory")).expect("a directory");
        fs::write(path, content).expect("a data file");
    };
    put("rows.csv", rows.as_bytes());
    for ending in COMPRESSED {
        put(&format!("rows.csv.{ending}"), &compress(rows.as_bytes(), ending));
    }
    for (number, part) in parts(&rows).iter().enumerate() {
        put(&format!("parts/part-{number:02}.csv"), part.as_bytes());
    }
    // What lies below the directory of a pattern is no match of it.
    put("parts/deeper/part-99.csv", b"not,a,row\n");
    put("parts/other.txt", b"nor this\n");
    put("odd names/a b+c%41,(1)&=.csv", parts(&rows)[0].as_bytes());
    put("table.sql", format!("CREATE TABLE t ({COLUMNS});\n").as_bytes());
    put("empty.csv", b"");
    put("folder/file.csv", b"1,a,1,1\n");
    write_seed(directory);
    let examples = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/examples");
    for entry in fs::read_dir(examples).expect("examples").flatten() {
        fs::copy(entry.path(), directory.join(entry.file_name())).expect("a copy");
    }
}

/// Writes the files of the five examples of the documentation that Wharf began with.
fn write_seed(directory: &Path) {
    let put = |name: &str, text: &str| {
        fs::write(directory.join(name), text).expect("a data file");
    };
    put(
        "customer-create-table.sql",
        "CREATE TABLE customers (\n    id UUID PRIMARY KEY DEFAULT gen_random_uuid(),\n    name TEXT,\
         \n    INDEX name_idx (name)\n);\n",
    );
    put("customer-import-data.csv", &format!("{},Ada\n{},\n", IDS[0], IDS[1]));
    put("customer-import-data.tsc", &format!("{}\tAda\n{}\tGrace\n", IDS[0], IDS[1]));
}

/// Writes the file that one of those examples reads by the name that another has for its own.
pub(crate) fn write_comments(directory: &Path) {
    fs::create_dir_all(directory).expect("a directory");
    let text = format!("#id,name\n{},Ada\n#{},Grace\n", IDS[0], IDS[1]);
    fs::write(directory.join("customer-import-data.tsc"), text).expect("a data file");
}

/// Keys of two customers.
const IDS: [&str; 2] =
    ["b1f6ad2f-9d0c-4f0c-8d5e-6a6d3f0e8a01", "2c9b3f64-54a6-4d0e-9d8e-0a7f3b1c5d02"];

/// Cuts the rows into parts, each of whole rows.
pub(crate) fn parts(rows: &str) -> Vec<String> {
    // Rows of this table begin with a digit after a line break, and nothing else does.
    let mut starts = vec![0];
    starts.extend(rows.match_indices('\n').map(|(at, _)| at + 1));
    starts.retain(|at| rows[*at..].starts_with(|c: char| c.is_ascii_digit()) || *at == rows.len());
    let count = starts.len() - 1;
    let each = count / usize::try_from(PARTS).expect("a small number") + 1;
    starts[..count]
        .chunks(each)
        .enumerate()
        .map(|(number, chunk)| {
            let end = starts[((number + 1) * each).min(count)];
            rows[chunk[0]..end].to_owned()
        })
        .collect()
}

/// Compresses a text as a file of that ending is.
pub(crate) fn compress(content: &[u8], ending: &str) -> Vec<u8> {
    match ending {
        "gz" => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(content).expect("memory takes it");
            writer.finish().expect("memory takes it")
        }
        "bz2" => {
            let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
            writer.write_all(content).expect("memory takes it");
            writer.finish().expect("memory takes it")
        }
        "zst" => zstd::encode_all(content, 1).expect("memory takes it"),
        _ => {
            let mut writer = liblzma::write::XzEncoder::new(Vec::new(), 0);
            writer.write_all(content).expect("memory takes it");
            writer.finish().expect("memory takes it")
        }
    }
}
