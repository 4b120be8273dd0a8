//! JSON as tables for people.

use serde_json::Value;

/// Objects as a table with these columns: `field`, or `field=heading`. A field that ends in `_micros` is shown
/// in main units.
pub fn rows(objects: &Value, columns: &[&str]) -> String {
    let (fields, headings): (Vec<&str>, Vec<&str>) =
        columns.iter().map(|column| column.split_once('=').unwrap_or((column, column))).unzip();
    let objects = objects.as_array().map(Vec::as_slice).unwrap_or_default();
    let cells = objects.iter().map(|object| fields.iter().map(|f| cell(object, f)).collect());
    let headings = headings.iter().map(|heading| heading.to_uppercase()).collect();
    let lines: Vec<Vec<String>> = std::iter::once(headings).chain(cells).collect();
    let width = |place| {
        let lengths = lines.iter().filter_map(|line: &Vec<String>| line.get(place));
        lengths.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..fields.len()).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let padded = line.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        text.push_str(padded.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One object, a field a line.
pub fn fields(object: &Value) -> String {
    let fields = object.as_object();
    let width = fields.into_iter().flatten().map(|(name, _)| name.len()).max().unwrap_or(0);
    let lines = fields.into_iter().flatten().filter(|(_, value)| !value.is_null());
    lines.map(|(name, _)| format!("{name:<width$}  {}\n", cell(object, name))).collect()
}

fn cell(object: &Value, field: &str) -> String {
    let value = field.split('.').fold(object, |value, part| &value[part]);
    match value {
        Value::Null => "-".into(),
        Value::String(text) => text.clone(),
        Value::Number(number) => match number.as_i64().filter(|_| field.ends_with("_micros")) {
            Some(micros) => offhook_types::Micros(micros).to_string(),
            None => number.to_string(),
        },
        Value::Bool(true) => "yes".into(),
        Value::Bool(false) => "no".into(),
        Value::Array(values) if values.iter().all(Value::is_string) => {
            values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_line_up_and_money_is_readable() {
        let objects = json!([
            {"name": "a", "settings": {"proxy": "sip:h"}, "booked_micros": 1_500_000, "on": true},
            {"name": "longer", "settings": {}, "booked_micros": -1, "on": false},
        ]);
        let shown = rows(&objects, &["name", "settings.proxy=proxy", "booked_micros=booked", "on"]);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0], "NAME    PROXY  BOOKED     ON");
        assert_eq!(lines[1], "a       sip:h  1.500000   yes");
        assert_eq!(lines[2], "longer  -      -0.000001  no");
    }

    #[test]
    fn one_object_is_shown_field_by_field() {
        let object = json!({"id": "AC_1", "tier": null, "caller_ids": ["+1", "+2"]});
        assert_eq!(fields(&object), "caller_ids  +1, +2\nid          AC_1\n");
    }
}
