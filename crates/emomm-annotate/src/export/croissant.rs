//! `croissant.json`: the long form described in Croissant 1.1 with the responsible-AI fields.

use emomm_dataset::manifest::{croissant_context, croissant_field, croissant_parquet};
use rusqlite::Connection;
use serde_json::{Value, json};

use super::corpora;
use super::responses::{COLUMNS, PARQUET};
use crate::clock;
use crate::error::AnnotateError;
use crate::settings::Settings;

/// The description of an export whose Parquet file has this digest.
pub(super) fn croissant(
    connection: &Connection,
    settings: &Settings,
    parquet_sha256: &str,
) -> Result<Value, AnnotateError> {
    let corpora = corpora(connection)?.join(", ");
    let n_annotators: i64 =
        connection.query_row("SELECT count(DISTINCT account) FROM response", [], |row| row.get(0))?;
    let fields: Vec<Value> = COLUMNS
        .iter()
        .map(|column| {
            let data_type = if column.is_number { "sc:Float" } else { "sc:Text" };
            croissant_field("answers", PARQUET, column.name, column.description, data_type)
        })
        .collect();
    let conditions = [
        settings.low_pass_hz.map(|hz| format!("sound below {hz} Hz only")),
        settings.crop_bottom.map(|share| format!("pictures without the lowest {share} of their height")),
    ];
    let conditions: Vec<String> = conditions.into_iter().flatten().collect();
    Ok(json!({
        "@context": croissant_context(),
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": "Unimodal sentiment labels",
        "description": format!("Answers of {n_annotators} annotators to clips of {corpora}, one modality at a time."),
        "license": "other: the terms of the corpora; not for redistribution",
        "url": "https://github.com/emomm/emomm",
        "version": "1.0.0",
        "datePublished": &clock::iso(clock::now())[..10],
        "creator": { "@type": "sc:Organization", "name": "not stated" },
        "keywords": ["sentiment", "unimodal labels", "inter-annotator agreement"],
        "isLiveDataset": false,
        "distribution": [croissant_parquet(PARQUET, "One row for each answer in each version.", parquet_sha256)],
        "recordSet": [{
            "@type": "cr:RecordSet",
            "@id": "answers",
            "name": "answers",
            "description": "Answers in the order in which they came.",
            "field": fields,
        }],
        "rai:dataCollection": "Clips of existing corpora. No new recordings.",
        "rai:dataPreprocessingProtocol": if conditions.is_empty() {
            "Clips split into text, sound without picture and picture without sound.".to_owned()
        } else {
            format!("Clips split into text, sound without picture and picture without sound; {}.", conditions.join("; "))
        },
        "rai:dataAnnotationProtocol": format!(
            "Scheme {}; training with feedback, calibration, then main work; one modality a pass under ids that differ by \
             annotator and modality; at least {} minutes between two modalities of a clip.",
            settings.scheme, settings.min_gap_minutes
        ),
        "rai:annotationsPerItem": settings.votes.to_string(),
        "rai:dataUseCases": "Evaluation of models under conflicting and missing modalities; research only.",
        "rai:dataLimitations": "Sound carries words; a clip's length is the same in sound and picture.",
        "rai:dataBiases": "Sentiment as perceived by few annotators, not as felt by those who are shown.",
        "rai:personalSensitiveInformation": "Pseudonyms and times of annotators; comments are free text.",
    }))
}
