//! Schemas of Avro, from their JSON.

use std::collections::HashMap;

use serde_json::{Map, Value};

/// How deep a schema may nest.
const DEEPEST: usize = 64;

/// The most types that a schema may have.
const MOST_TYPES: usize = 100_000;

/// A type of Avro. Types within it are indexes into the schema.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum AvroType {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed(usize),
    Enum(Vec<String>),
    Array(usize),
    Map(usize),
    Union(Vec<usize>),
    /// Fields by name.
    Record(Vec<(String, usize)>),
    Date,
    /// The time of day, in units of which a second has this many: an int if there are thousand.
    Time(i64),
    /// A moment, in units of which a second has this many.
    Moment(i64),
    /// A date and time of day without zone, in units of which a second has this many.
    LocalMoment(i64),
    /// A number of this scale in bytes, or in a fixed number of them.
    Decimal(u32, Option<usize>),
    /// A UUID in 16 bytes.
    Uuid,
    /// Months, days and milliseconds.
    Duration,
}

/// A schema, whose root is a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AvroSchema {
    types: Vec<AvroType>,
    /// The full names of named types, by index; empty for others.
    names: Vec<String>,
    root: usize,
}

/// A schema of nothing, for those who read numbers and bytes only.
pub(super) static NO_SCHEMA: AvroSchema =
    AvroSchema { types: Vec::new(), names: Vec::new(), root: 0 };

impl AvroSchema {
    /// Reads a schema; says what is wrong if it is none, or no record.
    pub fn parse(text: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let mut builder = Builder::default();
        let root = builder.read(&value, "", 0)?;
        let schema = Self { types: builder.types, names: builder.full_names, root };
        match schema.get(root) {
            AvroType::Record(_) => Ok(schema),
            _ => Err("the schema must be that of a record".to_owned()),
        }
    }

    /// Returns a type.
    pub(super) fn get(&self, index: usize) -> &AvroType {
        &self.types[index]
    }

    /// Returns the fields of the record that each row is.
    pub(super) fn fields(&self) -> &[(String, usize)] {
        match self.get(self.root) {
            AvroType::Record(fields) => fields,
            _ => &[],
        }
    }

    /// Returns whether `name` names a type in the JSON of a union.
    pub(super) fn is_named(&self, index: usize, name: &str) -> bool {
        let own = match self.get(index) {
            AvroType::Null => "null",
            AvroType::Boolean => "boolean",
            AvroType::Int | AvroType::Date | AvroType::Time(1000) => "int",
            AvroType::Long | AvroType::Time(_) | AvroType::Moment(_) | AvroType::LocalMoment(_) => {
                "long"
            }
            AvroType::Float => "float",
            AvroType::Double => "double",
            AvroType::Bytes | AvroType::Decimal(_, None) => "bytes",
            AvroType::String => "string",
            AvroType::Array(_) => "array",
            AvroType::Map(_) => "map",
            _ => self.names[index].as_str(),
        };
        own == name || own.rsplit('.').next() == Some(name)
    }
}

#[derive(Default)]
struct Builder {
    types: Vec<AvroType>,
    full_names: Vec<String>,
    /// Named types by their full names.
    named: HashMap<String, usize>,
}

impl Builder {
    fn add(&mut self, found: AvroType) -> Result<usize, String> {
        if self.types.len() >= MOST_TYPES {
            return Err("the schema has too many types".to_owned());
        }
        self.types.push(found);
        self.full_names.push(String::new());
        Ok(self.types.len() - 1)
    }

    /// Adds a named type, whose content may refer to it.
    fn add_named(
        &mut self,
        object: &Map<String, Value>,
        space: &str,
    ) -> Result<(usize, String), String> {
        let name = text(object, "name").ok_or("a named type has no name")?;
        let own = text(object, "namespace").unwrap_or(space);
        let full = full_name(name, own);
        let index = self.add(AvroType::Null)?;
        if self.named.insert(full.clone(), index).is_some() {
            return Err(format!("the schema defines \"{full}\" twice"));
        }
        let space = full.rsplit_once('.').map_or("", |(space, _)| space).to_owned();
        self.full_names[index] = full;
        Ok((index, space))
    }

    fn read(&mut self, value: &Value, space: &str, depth: usize) -> Result<usize, String> {
        if depth > DEEPEST {
            return Err("the schema nests too deeply".to_owned());
        }
        match value {
            Value::String(name) => self.read_name(name, space),
            Value::Array(branches) => {
                let branches = branches.iter().map(|branch| self.read(branch, space, depth + 1));
                let branches = branches.collect::<Result<_, _>>()?;
                self.add(AvroType::Union(branches))
            }
            Value::Object(object) => self.read_object(object, space, depth),
            other => Err(format!("{other} is no type")),
        }
    }

    fn read_name(&mut self, name: &str, space: &str) -> Result<usize, String> {
        let simple = match name {
            "null" => AvroType::Null,
            "boolean" => AvroType::Boolean,
            "int" => AvroType::Int,
            "long" => AvroType::Long,
            "float" => AvroType::Float,
            "double" => AvroType::Double,
            "bytes" => AvroType::Bytes,
            "string" => AvroType::String,
            _ => {
                let found =
                    self.named.get(&full_name(name, space)).or_else(|| self.named.get(name));
                return found.copied().ok_or_else(|| format!("type \"{name}\" is not defined"));
            }
        };
        self.add(simple)
    }

    fn read_object(
        &mut self,
        object: &Map<String, Value>,
        space: &str,
        depth: usize,
    ) -> Result<usize, String> {
        let inner = |key: &str| object.get(key).ok_or_else(|| format!("a type lacks \"{key}\""));
        let size = || {
            let size = object.get("size").and_then(Value::as_u64);
            size.and_then(|size| usize::try_from(size).ok()).ok_or("a fixed type lacks its size")
        };
        match object.get("type") {
            Some(Value::String(name)) => match name.as_str() {
                "record" | "error" => {
                    let (index, space) = self.add_named(object, space)?;
                    let fields = inner("fields")?.as_array().ok_or("fields are no array")?;
                    let fields = fields.iter().map(|field| -> Result<(String, usize), String> {
                        let field = field.as_object().ok_or("a field is no object")?;
                        let name = text(field, "name").ok_or("a field has no name")?;
                        let value = field.get("type").ok_or("a field has no type")?;
                        Ok((name.to_owned(), self.read(value, &space, depth + 1)?))
                    });
                    self.types[index] = AvroType::Record(fields.collect::<Result<_, String>>()?);
                    Ok(index)
                }
                "enum" => {
                    let (index, _) = self.add_named(object, space)?;
                    let symbols = inner("symbols")?.as_array().ok_or("symbols are no array")?;
                    let symbols = symbols.iter().map(|symbol| {
                        symbol.as_str().map(str::to_owned).ok_or("a symbol is no text")
                    });
                    self.types[index] = AvroType::Enum(symbols.collect::<Result<_, _>>()?);
                    Ok(index)
                }
                "fixed" => {
                    let (index, _) = self.add_named(object, space)?;
                    self.types[index] = logical(object, AvroType::Fixed(size()?));
                    Ok(index)
                }
                "array" => {
                    let items = self.read(inner("items")?, space, depth + 1)?;
                    self.add(AvroType::Array(items))
                }
                "map" => {
                    let values = self.read(inner("values")?, space, depth + 1)?;
                    self.add(AvroType::Map(values))
                }
                name => {
                    let index = self.read_name(name, space)?;
                    if self.full_names[index].is_empty() {
                        self.types[index] = logical(object, self.types[index].clone());
                    }
                    Ok(index)
                }
            },
            Some(value) => self.read(value, space, depth + 1),
            None => Err("a type lacks \"type\"".to_owned()),
        }
    }
}

/// Returns the type that a logical type makes of another; the other itself if they do not fit.
fn logical(object: &Map<String, Value>, plain: AvroType) -> AvroType {
    let scale = || {
        let scale = object.get("scale").map_or(Some(0), Value::as_u64);
        scale.and_then(|scale| u32::try_from(scale).ok()).filter(|scale| *scale <= 1000)
    };
    match (text(object, "logicalType").unwrap_or_default(), &plain) {
        ("date", AvroType::Int) => AvroType::Date,
        ("time-millis", AvroType::Int) => AvroType::Time(1000),
        ("time-micros", AvroType::Long) => AvroType::Time(1_000_000),
        ("timestamp-millis", AvroType::Long) => AvroType::Moment(1000),
        ("timestamp-micros", AvroType::Long) => AvroType::Moment(1_000_000),
        ("timestamp-nanos", AvroType::Long) => AvroType::Moment(1_000_000_000),
        ("local-timestamp-millis", AvroType::Long) => AvroType::LocalMoment(1000),
        ("local-timestamp-micros", AvroType::Long) => AvroType::LocalMoment(1_000_000),
        ("local-timestamp-nanos", AvroType::Long) => AvroType::LocalMoment(1_000_000_000),
        ("decimal", AvroType::Bytes) => {
            scale().map_or(plain, |scale| AvroType::Decimal(scale, None))
        }
        ("decimal", AvroType::Fixed(size)) => {
            let size = *size;
            scale().map_or(plain, |scale| AvroType::Decimal(scale, Some(size)))
        }
        ("uuid", AvroType::Fixed(16)) => AvroType::Uuid,
        ("duration", AvroType::Fixed(12)) => AvroType::Duration,
        _ => plain,
    }
}

fn text<'a>(object: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    object.get(key).and_then(Value::as_str)
}

fn full_name(name: &str, space: &str) -> String {
    if name.contains('.') || space.is_empty() { name.to_owned() } else { format!("{space}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_types_and_references() {
        let schema = AvroSchema::parse(
            r#"{"type":"record","name":"r","namespace":"a.b","fields":[
                {"name":"next","type":["null","r"]},
                {"name":"d","type":{"type":"bytes","logicalType":"decimal","precision":4,"scale":2}},
                {"name":"f","type":{"type":"fixed","name":"F","size":3}},
                {"name":"g","type":"a.b.F"},
                {"name":"t","type":{"type":"long","logicalType":"timestamp-micros"}}]}"#,
        )
        .unwrap();
        let types: Vec<&AvroType> =
            schema.fields().iter().map(|(_, index)| schema.get(*index)).collect();
        let AvroType::Union(branches) = types[0] else { panic!("{types:?}") };
        assert_eq!(branches[1], 0);
        assert!(schema.is_named(0, "a.b.r") && schema.is_named(0, "r"));
        assert_eq!(types[1], &AvroType::Decimal(2, None));
        assert_eq!((types[2], types[3]), (&AvroType::Fixed(3), &AvroType::Fixed(3)));
        assert_eq!(types[4], &AvroType::Moment(1_000_000));
    }

    #[test]
    fn refuses_what_is_no_schema_of_a_record() {
        let deep = format!("{}\"int\"{}", "[".repeat(100), "]".repeat(100));
        for text in [
            "",
            "{",
            "\"int\"",
            "7",
            "{\"type\":\"record\",\"name\":\"r\"}",
            deep.as_str(),
            "{\"type\":\"record\",\"name\":\"r\",\"fields\":[{\"name\":\"a\",\"type\":\"x\"}]}",
            "{\"type\":\"record\",\"fields\":[]}",
        ] {
            assert!(AvroSchema::parse(text).is_err(), "{text}");
        }
    }
}
