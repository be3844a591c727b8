//! What goes wrong in one seeded case: which fault, at which requests, and where in the body.

/// A small generator of random numbers (SplitMix64): the same seed gives the same case.
pub(crate) struct Random(u64);

impl Random {
    /// Returns a generator that begins with this seed.
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0xA076_1D64_78BD_642F).wrapping_add(1))
    }

    /// Returns a number below `limit`.
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (mixed ^ (mixed >> 31)) % limit
    }
}

/// A way to answer badly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The connection is reset within the body.
    Reset,
    /// The body ends before its announced length.
    ShortBody,
    /// A body in chunks ends without the last chunk.
    CutChunks,
    /// Nothing more comes after a part of the body.
    Stall,
    /// 500, 502, 503 or 504.
    ServerError,
    /// 429, or 503, with Retry-After.
    TooMany,
    /// 206 with another range than was asked for, and said so.
    OtherRange,
    /// 206 without Content-Range.
    NoContentRange,
    /// 206 with another total size than before.
    OtherTotal,
    /// 206 with less than was asked for, and said so.
    LessOfRange,
    /// 200 with the whole file for a range.
    Whole,
    /// 416 for a range that is there.
    NotSatisfiable,
    /// The range comes as `multipart/byteranges`.
    Multipart,
    /// From one request on, another file of the same size with another tag.
    Changed,
    /// Another tag with each answer, for the same file.
    RestlessTag,
    /// A weak tag, which no If-Match is equal to.
    WeakTag,
    /// A redirect to the same place, for ever.
    RedirectLoop,
    /// One redirect to where the file is.
    RedirectOnce,
    /// The body comes in small pieces with pauses.
    Drip,
    /// What comes is no HTTP.
    Garbage,
    /// The connection ends without an answer.
    NoAnswer,
    /// The connection ends within the headers.
    CutHead,
    /// HEAD is refused.
    NoHead,
    /// The size is not told, and ranges are not served; the body comes in chunks.
    NoLength,
    /// Bytes follow behind the announced length.
    TooLong,
    /// Content-Encoding says gzip, but the body is as it is.
    FalseEncoding,
    /// Each answer breaks after a part of the file.
    EveryAnswerBreaks,
    /// A name for the file is redirected to whatever a changed Location says: nowhere.
    RedirectNowhere,
}

/// All faults; a case's seed chooses one of them in turn.
const FAULTS: &[Fault] = &[
    Fault::Reset,
    Fault::ShortBody,
    Fault::CutChunks,
    Fault::Stall,
    Fault::ServerError,
    Fault::TooMany,
    Fault::OtherRange,
    Fault::NoContentRange,
    Fault::OtherTotal,
    Fault::LessOfRange,
    Fault::Whole,
    Fault::NotSatisfiable,
    Fault::Multipart,
    Fault::Changed,
    Fault::RestlessTag,
    Fault::WeakTag,
    Fault::RedirectLoop,
    Fault::RedirectOnce,
    Fault::Drip,
    Fault::Garbage,
    Fault::NoAnswer,
    Fault::CutHead,
    Fault::NoHead,
    Fault::NoLength,
    Fault::TooLong,
    Fault::FalseEncoding,
    Fault::EveryAnswerBreaks,
    Fault::RedirectNowhere,
];

/// What an import must do with a case.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Demand {
    /// It must succeed: the fault is one that a retry or a resumption overcomes.
    Succeed,
    /// It must be refused.
    Refuse,
    /// It may do either.
    Either,
}

/// What is imported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Subject {
    /// One plain file.
    Plain,
    /// One compressed file.
    Compressed,
    /// Three plain files.
    Three,
    /// One plain file that is fetched in several parts.
    Wide,
}

/// One case.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The fault.
    pub(crate) fault: Fault,
    /// The first request that it befalls.
    pub(crate) first: u64,
    /// How many requests it befalls.
    pub(crate) count: u64,
    /// Where in the body it happens, in thousandths.
    pub(crate) place: u64,
    /// A number for what else a fault varies.
    pub(crate) variant: u64,
    /// What is imported.
    pub(crate) subject: Subject,
}

/// As a count: all requests.
const ALWAYS: u64 = u64::MAX / 2;

impl Plan {
    /// Returns the case of a seed.
    pub(crate) fn new(seed: u64) -> Self {
        let turn = usize::try_from(seed).expect("seeds are small") % FAULTS.len();
        let fault = FAULTS[turn];
        let mut random = Random::new(seed);
        let count = if random.below(4) == 0 { ALWAYS } else { 1 + random.below(3) };
        let count = match fault {
            // These are ways of a server, not accidents.
            Fault::RedirectLoop
            | Fault::RedirectNowhere
            | Fault::RestlessTag
            | Fault::WeakTag
            | Fault::NoHead
            | Fault::NoLength
            | Fault::EveryAnswerBreaks
            | Fault::Changed => ALWAYS,
            Fault::Drip => 1 + random.below(3),
            Fault::Stall => 1,
            _ => count,
        };
        let first = match fault {
            Fault::Changed => 1 + random.below(4),
            _ if count == ALWAYS => 0,
            _ => random.below(4),
        };
        let subjects = [Subject::Plain, Subject::Wide, Subject::Compressed, Subject::Three];
        let subject = subjects[usize::try_from(random.below(4)).expect("a small number")];
        // Of several files some may be of before and some of after the change.
        let subject = match (fault, subject) {
            (Fault::Changed, Subject::Three) => Subject::Wide,
            _ => subject,
        };
        Self {
            fault,
            first,
            count,
            // An answer that brings next to nothing would bring the end next to never.
            place: match fault {
                Fault::EveryAnswerBreaks => 300 + random.below(500),
                _ => random.below(1001),
            },
            variant: random.below(1 << 32),
            subject,
        }
    }

    /// Returns whether a request is befallen.
    pub(crate) fn befalls(&self, request: u64) -> bool {
        request >= self.first && request - self.first < self.count
    }

    /// Returns what an import must do.
    pub(crate) fn demand(&self) -> Demand {
        let always = self.count == ALWAYS;
        match self.fault {
            Fault::ServerError
            | Fault::TooMany
            | Fault::Garbage
            | Fault::NoAnswer
            | Fault::CutHead
                if always =>
            {
                Demand::Refuse
            }
            Fault::RedirectLoop | Fault::RedirectNowhere => Demand::Refuse,
            Fault::Reset
            | Fault::ShortBody
            | Fault::CutChunks
            | Fault::ServerError
            | Fault::TooMany
            | Fault::LessOfRange
            | Fault::NoAnswer
            | Fault::Stall
                if !always =>
            {
                Demand::Succeed
            }
            Fault::Whole
            | Fault::RedirectOnce
            | Fault::Drip
            | Fault::NoHead
            | Fault::NoLength
            | Fault::WeakTag
            | Fault::EveryAnswerBreaks
            | Fault::TooLong => Demand::Succeed,
            _ => Demand::Either,
        }
    }
}
