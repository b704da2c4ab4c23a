# The report is drawn from result files alone, and from what is published and committed.
CLAIMS = sorted(map(str, Path("reports/claims").glob("*.yaml")))
RELEASED_CODE = "reports/released_code/comparisons.yaml"
HISTORY = sorted(map(str, Path("benchmarks/history").rglob("*.json*")))


rule run_record:
    # What the report needs to know of the run; measurements do not depend on it.
    output:
        f"{RESULTS}/run.json",
    log:
        f"{RESULTS}/logs/run.log",
    conda:
        "../../environment.yml"
    params:
        run=lambda wildcards: shlex.quote(RECORD.model_dump_json()),
    shell:
        "printf '%s\\n' {params.run} > {output:q} 2> {log:q}"


rule draw_report:
    input:
        f"{RESULTS}/run.json",
        f"{RESULTS}/similarity.json",
        expand(f"{RESULTS}/variants/{{variant}}.json", variant=VARIANTS),
        ACCURACY,
        LATENCY,
        template="reports/page/page.html.j2",
        claims=CLAIMS,
        released_code=RELEASED_CODE,
        history=HISTORY,
        cost_model=[
            "benchmarks/cost_model/presets.yaml",
            "benchmarks/cost_model/published.yaml",
        ],
        style="reports/figures/paper.mplstyle",
        assets="config/assets.yaml",
    output:
        page=report(REPORT, caption="../report/page.rst", category="Report"),
        figures=directory(f"{RESULTS}/report/figures"),
        tables=directory(f"{RESULTS}/report/tables"),
    log:
        f"{RESULTS}/logs/report.log",
    conda:
        "../../environment.yml"
    params:
        code=lambda wildcards: fingerprint("reports.page.page"),
        results=subpath(input[0], parent=True),
        folder=subpath(output.page, parent=True),
    shell:
        "python -m reports report --results {params.results:q} --out {params.folder:q} 2>&1 | tee {log:q}"
