/* make_run FOLDER FATE [N_CASES [GENERATION_INTERVAL [hostile]]]: writes a made-up run (tests/made_up_run.h);
 * FATE is healthy, collapses or reference. */
#include "made_up_run.h"

int main(int argc, char **argv) {
    static const char *const fates[] = {"healthy", "collapses", "reference"};
    made_up_run run = made_up_run_defaults;
    for (int f = 0; argc > 2 && f < 3; f++)
        if (strcmp(argv[2], fates[f]) == 0) {
            run.folder = argv[1];
            run.fate = (run_fate)f;
        }
    if (!run.folder) {
        fprintf(stderr,
                "make_run FOLDER healthy|collapses|reference [N_CASES [GENERATION_INTERVAL [hostile]]]\n");
        return 2;
    }
    if (argc > 3) run.n_cases = atoi(argv[3]);
    if (argc > 4) run.generation_interval = atoi(argv[4]);
    run.hostile = argc > 5;
    run.collapse_at = run.n_cases * 131 / 200;
    made_up_run_write(&run);
    return 0;
}
