//! Pages of texts and bytes: by a dictionary where they are few, else lengths and then all bytes.

use arrow::array::ArrayRef;
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::Statistics;

use super::column_chunk::{EncodedPage, PageEncoder};
use super::dictionary::TextDictionary;
use super::integer_pages::append_codes;
use super::packing::append_differences;
use super::texts::{Texts, length};

/// The longest text or bytes that statistics keep.
const LONGEST_BOUND: usize = 1024;

/// Encodes pages of texts.
pub(super) struct TextPages {
    dictionary: Option<TextDictionary>,
    /// Whether the dictionary holds all values so far.
    complete: bool,
    bounds: Bounds,
    codes: Vec<u32>,
    lengths: Vec<i32>,
}

/// The bounds of a chunk.
enum Bounds {
    /// There were no values yet.
    Empty,
    /// The smallest and the largest value.
    Known(Vec<u8>, Vec<u8>),
    /// They are too long, or were not looked for.
    Missing,
}

impl TextPages {
    /// Returns an encoder that tries a dictionary if `dictionary` says so.
    pub(super) fn new(dictionary: bool) -> Self {
        Self {
            dictionary: dictionary.then(TextDictionary::new),
            complete: dictionary,
            bounds: Bounds::Empty,
            codes: Vec::new(),
            lengths: Vec::new(),
        }
    }

    /// Appends the page by the dictionary; returns `false` if its values are too many.
    fn append_codes(&mut self, texts: &[Texts], body: &mut Vec<u8>) -> bool {
        // A page of NULLs alone needs no dictionary, and there may be none.
        let any = texts.iter().any(|texts| !texts.views().is_empty());
        let Some(dictionary) = self.dictionary.as_mut().filter(|_| self.complete && any) else {
            return false;
        };
        self.codes.clear();
        if !texts.iter().all(|texts| dictionary.encode(texts, &mut self.codes)) {
            self.complete = false;
            return false;
        }
        append_codes(&mut self.codes, dictionary.len(), body);
        true
    }

    fn append_texts(&mut self, texts: &[Texts], body: &mut Vec<u8>) {
        self.lengths.clear();
        for texts in texts {
            let lengths = texts.views().iter().map(|view| length(*view));
            self.lengths.extend(lengths.map(|length| i32::try_from(length).unwrap_or(i32::MAX)));
        }
        append_differences(&self.lengths, body);
        for texts in texts {
            texts.append_bytes(body);
        }
    }

    /// Returns the bounds of a page and takes them into those of the chunk.
    fn add_bounds(&mut self, texts: &[Texts]) -> Option<(Vec<u8>, Vec<u8>)> {
        let bounds = || texts.iter().filter_map(Texts::bounds);
        let low = bounds().map(|bounds| bounds.0).min()?;
        let high = bounds().map(|bounds| bounds.1).max()?;
        if low.len() > LONGEST_BOUND || high.len() > LONGEST_BOUND {
            self.bounds = Bounds::Missing;
            return None;
        }
        let (low, high) = (low.to_vec(), high.to_vec());
        match &mut self.bounds {
            Bounds::Missing => {}
            Bounds::Empty => self.bounds = Bounds::Known(low.clone(), high.clone()),
            Bounds::Known(lowest, highest) => {
                if low < *lowest {
                    lowest.clone_from(&low);
                }
                if high > *highest {
                    highest.clone_from(&high);
                }
            }
        }
        Some((low, high))
    }
}

impl PageEncoder for TextPages {
    fn encode(&mut self, pieces: &[ArrayRef], bounds: bool, body: &mut Vec<u8>) -> EncodedPage {
        let texts: Vec<Texts> = pieces.iter().map(Texts::of).collect();
        let bounds = if bounds { self.add_bounds(&texts) } else { None };
        let encoding = if self.append_codes(&texts, body) {
            Encoding::RLE_DICTIONARY
        } else {
            self.append_texts(&texts, body);
            Encoding::DELTA_LENGTH_BYTE_ARRAY
        };
        EncodedPage { encoding, bounds }
    }

    fn dictionary(&self) -> Option<(Vec<u8>, usize)> {
        let dictionary = self.dictionary.as_ref().filter(|dictionary| dictionary.len() > 0)?;
        let mut bytes = Vec::new();
        for value in dictionary.values() {
            bytes.extend_from_slice(&u32::try_from(value.len()).unwrap_or(u32::MAX).to_le_bytes());
            bytes.extend_from_slice(value);
        }
        Some((bytes, dictionary.len()))
    }

    fn statistics(&self, nulls: u64) -> Option<Statistics> {
        let array = |bytes: &[u8]| Some(ByteArray::from(bytes.to_vec()));
        let made = |low, high| Some(Statistics::byte_array(low, high, None, Some(nulls), false));
        if let Bounds::Known(low, high) = &self.bounds {
            return made(array(low), array(high));
        }
        // A dictionary of all values knows their bounds for nothing.
        let dictionary = self.dictionary.as_ref().filter(|_| self.complete)?;
        let (low, high) = (dictionary.values().min()?, dictionary.values().max()?);
        let short = low.len() <= LONGEST_BOUND && high.len() <= LONGEST_BOUND;
        if short { made(array(low), array(high)) } else { None }
    }
}
