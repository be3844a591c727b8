//! How fast CSV is cut into fields, against the csv crate: rows like those of TPC-H lineitem, 16
//! columns, written in the ways that files are.

#![expect(missing_docs, reason = "the macros of criterion write a public function")]

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use wharf::record::{Dialect, Reader, Records};

const COLUMNS: usize = 16;
const SIZE: usize = 16 << 20;
const PIECE: usize = 1 << 20;

/// A way to write the rows.
struct Form {
    name: &'static str,
    delimiter: char,
    /// What stands before and after the last column.
    around: [&'static str; 2],
    /// A word of the last column.
    word: &'static str,
    line_end: &'static str,
}

const FORMS: [Form; 8] = [
    Form { name: "last column quoted", around: ["\"", "\""], ..PLAIN },
    PLAIN,
    Form { name: "carriage returns", around: ["\"", "\""], line_end: "\r\n", ..PLAIN },
    Form { name: "trailing delimiter", delimiter: '|', line_end: "|\n", ..PLAIN },
    Form { name: "quoted line breaks", around: ["\"", "\""], word: "even\nly,", ..PLAIN },
    Form { name: "doubled quotes", around: ["\"", "\""], word: "5\"\" ", ..PLAIN },
    Form { name: "lazy quotes", word: "5\" ", ..PLAIN },
    Form { name: "delimiter of three bytes", delimiter: '\u{2713}', ..PLAIN },
];

const PLAIN: Form =
    Form { name: "no quotes", delimiter: ',', around: ["", ""], word: "fluffily ", line_end: "\n" };

/// Writes about `SIZE` bytes of rows.
fn write_rows(form: &Form) -> Vec<u8> {
    let mut text = String::new();
    let mut seed = 1_u64;
    let mut number = |below: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(seed >> 33).expect("31 bits") % below
    };
    let mut order = 0;
    while text.len() < SIZE {
        order += 1 + number(8);
        for line in 1..=1 + number(7) {
            let cells = [
                order.to_string(),
                number(200_000).to_string(),
                number(10_000).to_string(),
                line.to_string(),
                (1 + number(50)).to_string(),
                format!("{}.{:02}", number(100_000), number(100)),
                format!("0.{:02}", number(11)),
                format!("0.{:02}", number(9)),
                ["A", "N", "R"][number(3)].to_owned(),
                ["O", "F"][number(2)].to_owned(),
                format!("199{}-{:02}-{:02}", number(8), 1 + number(12), 1 + number(28)),
                format!("199{}-{:02}-{:02}", number(8), 1 + number(12), 1 + number(28)),
                format!("199{}-{:02}-{:02}", number(8), 1 + number(12), 1 + number(28)),
                ["DELIVER IN PERSON", "TAKE BACK RETURN", "NONE"][number(3)].to_owned(),
                ["AIR", "TRUCK", "SHIP", "REG AIR"][number(4)].to_owned(),
                form.around[0].to_owned() + &form.word.repeat(1 + number(5)) + form.around[1],
            ];
            text += &cells.join(&form.delimiter.to_string());
            text += form.line_end;
        }
    }
    text.into_bytes()
}

/// Reads everything in pieces as an import does; returns the number of rows.
fn read(reader: &mut Reader, text: &[u8], records: &mut Records) -> usize {
    let (mut from, mut rows) = (0, 0);
    while from < text.len() {
        let to = text.len().min(from + PIECE);
        let piece = &text[from..to];
        from += reader
            .read(piece, 0, usize::MAX, usize::MAX, to == text.len(), records)
            .expect("the rows are right");
        rows += records.count;
        black_box(&records.spans);
    }
    rows
}

fn tokenise(criterion: &mut Criterion) {
    for form in &FORMS {
        let text = write_rows(form);
        let mut group = criterion.benchmark_group(form.name);
        group.throughput(Throughput::Bytes(text.len() as u64)).sample_size(10);
        let dialect = Dialect { delimiter: form.delimiter.into(), ..Dialect::default() };
        let mut records = Records::new();
        let mut reader = Reader::new(dialect.clone(), COLUMNS);
        group.bench_function("wharf", |b| b.iter(|| read(&mut reader, &text, &mut records)));
        let mut reader = Reader::new(dialect, COLUMNS).with_quoted(true);
        let name = "wharf, quoted fields marked";
        group.bench_function(name, |b| b.iter(|| read(&mut reader, &text, &mut records)));
        if let Ok(delimiter) = u8::try_from(form.delimiter) {
            group.bench_function("csv crate", |b| b.iter(|| read_csv_crate(&text, delimiter)));
        }
        group.finish();
    }
}

fn read_csv_crate(text: &[u8], delimiter: u8) -> usize {
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter)
        .from_reader(text);
    let mut record = csv::ByteRecord::new();
    let mut rows = 0;
    while reader.read_byte_record(&mut record).expect("the rows are right") {
        rows += 1;
    }
    rows
}

criterion_group!(benches, tokenise);
criterion_main!(benches);
