# Targets: all (default), accuracy, latency. Configurations, the smoke run among them: config/.
from snakemake.utils import min_version

min_version("9.0")

# A configuration file describes a whole run; without one this is the embedded default.
if "variants" not in config:

    configfile: "config/default.yaml"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/models.smk"
include: "workflow/rules/variants.smk"
include: "workflow/rules/healing.smk"
include: "workflow/rules/latency.smk"
include: "workflow/rules/accuracy.smk"
include: "workflow/rules/report.smk"


localrules:
    all,
    accuracy,
    latency,


rule all:
    default_target: True
    input:
        ACCURACY,
        LATENCY,
        REPORT,


rule accuracy:
    input:
        ACCURACY,


rule latency:
    input:
        LATENCY,
