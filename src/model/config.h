/* model/config.h: config.json. Every field that changes what the model computes is honoured or refused by
 * name. */
#ifndef AE_MODEL_CONFIG_H
#define AE_MODEL_CONFIG_H

#include "model/model.h"

ae_status ae_config_load(const char *folder, ae_config *out);

#endif
