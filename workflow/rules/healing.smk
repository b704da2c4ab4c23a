# plan -> healed weights, a job for each step; a step goes on where it was interrupted.


rule heal:
    input:
        variant=before_healing,
        texts=[] if RUN.healing.dataset else texts(RUN.healing),
        evaluated=texts(RUN.perplexity),
    output:
        manifest=f"{RESULTS}/healing/{{healing}}.json",
        weights=directory(f"{RESULTS}/healing/{{healing}}"),
    log:
        f"{RESULTS}/logs/healing/{{healing}}.log",
    conda:
        "../../environment.yml"
    threads: CORES
    resources:
        gpu=GPUS * RUN.healing.processes,
    params:
        code=fingerprint("benchmarks.healing.heal"),
        launch=(
            "python -m"
            if RUN.healing.processes == 1
            else f"accelerate launch --num_processes {RUN.healing.processes} -m"
        ),
        step=lambda wildcards: shlex.quote(healing_step(wildcards).model_dump_json()),
        data=shlex.quote(RUN.healing.model_dump_json(exclude={"texts", "processes"})),
        texts=lambda wildcards, input: repeated("text", input.texts),
        evaluated=lambda wildcards, input: repeated("evaluated", input.evaluated),
        runtime=CALIBRATION,
        seed=RUN.seed,
    shell:
        "{params.launch} benchmarks heal --variant {input.variant:q} --step {params.step} "
        "--data {params.data} {params.texts} {params.evaluated} {params.runtime} "
        "--threads {threads} --seed {params.seed} --out {output.manifest:q} 2>&1 | tee {log:q}"
